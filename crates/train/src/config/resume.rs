//! What may change when a run is resumed, and what more epochs mean.
//!
//! Where the learning rate depends on the number of epochs, a run that gets more of them has reached
//! the end of its schedule, or is on the way there. What was trained stays as it is: the epochs that
//! are added are a new cycle of the schedule, from its initial rate.

use std::collections::BTreeSet;

use super::{Config, ConfigError, DataChoice, OF_START, WITHOUT_EFFECT};
use crate::data;

impl Config {
    /// The settings of a run that is given `epochs` in all: itself if that is not more than it had.
    pub fn extended(&self, epochs: u32) -> Config {
        let mut config = self.clone();
        if epochs > self.epochs {
            if self.schedule.depends_on_epochs() {
                config.cycles.push(self.epochs);
            }
            config.epochs = epochs;
        }
        config
    }

    /// These settings for a run that began as `begun`: if they ask for more epochs, with the cycle
    /// that those are.
    pub fn resuming(&self, begun: &Config) -> Config {
        let mut config = self.clone();
        if config.cycles == begun.cycles {
            config.cycles = begun.extended(config.epochs).cycles;
        }
        config
    }

    /// Checks whether a run with the settings `begun`, which has taken so many steps, may be resumed
    /// with these.
    ///
    /// # Errors
    /// The settings that differ, but for those on which no result depends, and more epochs.
    pub fn check_resumes(&self, begun: &Config, steps: u64) -> Result<(), ConfigError> {
        let most = begun.max_steps.filter(|&most| steps >= most && self.epochs > begun.epochs);
        if let Some(most) = most {
            return Err(ConfigError::new(format!(
                "it ended after max_steps = {most}, and more epochs add no step: leave epochs out"
            )));
        }
        let mut may_change = vec!["epochs"];
        may_change.extend(WITHOUT_EFFECT);
        // A folder may have moved: what it holds is compared with what the run began with.
        if self.data.folder().is_some() && self.data.is_like(&begun.data) {
            may_change.push("data");
        }
        let mut differences = self.differences(&begun.extended(self.epochs), &may_change);
        if self.epochs < begun.epochs && self.schedule.depends_on_epochs() {
            differences.push(format!(
                "epochs is {}, and was {}, over which the schedule spreads its learning rates: \
                 there may be more, and not fewer",
                self.epochs, begun.epochs
            ));
        }
        if differences.is_empty() {
            return Ok(());
        }
        let may_change = may_change.join(", ");
        Err(ConfigError::new(format!("{}; only {may_change} may change", differences.join("; "))))
    }

    /// Checks, before the images are read, whether these settings ask for the run that has the
    /// settings `begun`, on as many training `images` if that is known.
    ///
    /// # Errors
    /// The settings that differ, but for those on which no result depends.
    pub fn check_same_run(&self, begun: &Config, images: Option<usize>) -> Result<(), ConfigError> {
        let mut asked = self.clone();
        // What a run settles when it sees its images.
        if let Some(images) = images {
            asked.validation = data::validation(images, asked.validation);
            asked.batch_size = data::batch_size(images, asked.batch_size, asked.validation);
        }
        // Where CIFAR-10 could not be had, the sample stood in: what is here now is seen later.
        let stood_in = begun.data == DataChoice::Sample && asked.data == DataChoice::Cifar10;
        let mut may_change = WITHOUT_EFFECT.to_vec();
        if stood_in || asked.data.is_like(&begun.data) {
            may_change.push("data");
        }
        // What it takes from the weights that it starts from.
        if asked.init_from.is_some() {
            let [named, defaults] = [&asked, &Config::default()].map(Config::to_table);
            may_change.extend(OF_START.iter().filter(|&&key| named.get(key) == defaults.get(key)));
        }
        let differences = asked.differences(begun, &may_change);
        if differences.is_empty() { Ok(()) } else { Err(ConfigError::new(differences.join("; "))) }
    }

    /// A sentence for each setting that differs from those that a run `had`, but for those that
    /// `may_change`.
    pub fn differences(&self, had: &Config, may_change: &[&str]) -> Vec<String> {
        let (asked, had) = (self.to_table(), had.to_table());
        let keys: BTreeSet<_> = asked.keys().chain(had.keys()).collect();
        let shown = |value: Option<&toml::Value>| value.map_or("none".into(), |v| v.to_string());
        keys.into_iter()
            .filter(|key| !may_change.contains(&key.as_str()))
            .map(|key| (key, asked.get(key), had.get(key)))
            .filter(|(_, asked, had)| asked != had)
            .map(|(key, asked, had)| format!("{key} is {}, and was {}", shown(asked), shown(had)))
            .collect()
    }
}
