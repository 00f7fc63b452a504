//! What may change when a run is resumed, and what more epochs mean.
//!
//! Where the learning rate depends on the number of epochs, a run that gets more of them has reached
//! the end of its schedule, or is on the way there. What was trained stays as it is: the epochs that
//! are added are a new cycle of the schedule, from its initial rate.

use std::collections::BTreeSet;

use super::{Config, ConfigError, WITHOUT_EFFECT};

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

    /// Checks whether a run with the settings `begun` may be resumed with these.
    ///
    /// # Errors
    /// The settings that differ, but for those on which no result depends, and more epochs.
    pub fn check_resumes(&self, begun: &Config) -> Result<(), ConfigError> {
        let mut may_change = vec!["epochs"];
        may_change.extend(WITHOUT_EFFECT);
        // A folder may have moved: what it holds is compared with what the run began with.
        if self.data.folder().is_some() && self.data.is_like(&begun.data) {
            may_change.push("data");
        }
        let (asked, had) = (self.to_table(), begun.extended(self.epochs).to_table());
        let keys: BTreeSet<_> = asked.keys().chain(had.keys()).collect();
        let shown = |value: Option<&toml::Value>| value.map_or("none".into(), |v| v.to_string());
        let mut differences: Vec<_> = keys
            .into_iter()
            .filter(|key| !may_change.contains(&key.as_str()))
            .map(|key| (key, asked.get(key), had.get(key)))
            .filter(|(_, asked, had)| asked != had)
            .map(|(key, asked, had)| format!("{key} is {}, and was {}", shown(asked), shown(had)))
            .collect();
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
}
