//! The processes of one run: what they must have in common, and who writes.
//!
//! All processes of a run make the same calls and come to the same results. The first alone writes,
//! and hears its observer; where it writes the others wait for it. What can fail in one of them
//! alone ends in a call in which all learn of it, so that all return together.

use std::fmt::Display;
use std::sync::Arc;

use chainrule_nn::{SoftmaxClassifier, most_ranks};
use chainrule_runs::Provenance;
use chainrule_tensor::Kernel;
use chainrule_tensor::comm::{ThreadGroup, Transport, Wait};
use sha2::{Digest, Sha256};

use crate::config::ConfigError;
use crate::tensors::hexadecimal;
use crate::{Config, Error, machine};

/// The processes of a run: this one alone, unless it was joined with others.
#[derive(Clone, Debug, Default)]
pub struct Processes(Option<Arc<dyn Transport>>);

/// Another process has failed; this one is whole.
#[derive(Clone, Debug, thiserror::Error)]
#[error("rank {process}: {problem}")]
pub struct Elsewhere {
    process: usize,
    problem: String,
}

/// Settings that may differ between processes: where files lie. Their contents are compared.
const PLACES: [&str; 3] = ["data_dir", "init_from", "teacher"];

impl Processes {
    /// The processes of this transport.
    pub fn joined(transport: Arc<dyn Transport>) -> Processes {
        Processes(Some(transport).filter(|transport| transport.processes() > 1))
    }

    /// Number of processes.
    pub fn count(&self) -> usize {
        self.0.as_ref().map_or(1, |transport| transport.processes())
    }

    /// Whether this is the first, which writes.
    pub fn is_first(&self) -> bool {
        self.0.as_ref().is_none_or(|transport| transport.process() == 0)
    }

    /// Threads of this process, joined with those of the others.
    pub(crate) fn group(&self, threads: usize) -> Result<ThreadGroup, Error> {
        let group = ThreadGroup::new(threads)?;
        Ok(match &self.0 {
            Some(transport) => group.joined(transport.clone()),
            None => group,
        })
    }

    /// What each process has, by process. A collective call, as are all that follow.
    ///
    /// # Panics
    /// If a process does not answer.
    pub fn all_gather(&self, own: Vec<u8>) -> Vec<Vec<u8>> {
        self.gather(own, Wait::Files)
    }

    /// [`Processes::all_gather`] that waits so long for the others.
    fn gather(&self, own: Vec<u8>, wait: Wait) -> Vec<Vec<u8>> {
        match &self.0 {
            Some(transport) => {
                transport.all_gather(own, wait).unwrap_or_else(|lost| panic!("{lost}"))
            }
            None => vec![own],
        }
    }

    /// What the first process has; that of the others is ignored.
    ///
    /// # Panics
    /// As [`Processes::all_gather`].
    pub fn broadcast(&self, own: Vec<u8>) -> Vec<u8> {
        let own = if self.is_first() { own } else { vec![] };
        self.all_gather(own).swap_remove(0)
    }

    /// The result of this process, if it is one in all of them.
    ///
    /// # Errors
    /// That of this process, or else [`Elsewhere`].
    ///
    /// # Panics
    /// As [`Processes::all_gather`].
    pub fn agree<T, E: Display + From<Elsewhere>>(&self, own: Result<T, E>) -> Result<T, E> {
        self.agree_within(own, Wait::Files)
    }

    fn agree_within<T, E: Display + From<Elsewhere>>(
        &self,
        own: Result<T, E>,
        wait: Wait,
    ) -> Result<T, E> {
        let problem = own.as_ref().err().map(|problem| format!("!{problem}"));
        let all = self.gather(problem.unwrap_or_default().into_bytes(), wait);
        let own = own?;
        match all.iter().position(|problem| !problem.is_empty()) {
            Some(process) => {
                let problem = String::from_utf8_lossy(&all[process][1..]).into_owned();
                Err(Elsewhere { process, problem }.into())
            }
            None => Ok(own),
        }
    }

    /// Does `work` in the first process and then in the others: what it fetches, they find.
    ///
    /// # Errors
    /// As [`Processes::agree`].
    ///
    /// # Panics
    /// As [`Processes::all_gather`].
    pub fn first_then_others<T, E: Display + From<Elsewhere>>(
        &self,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        if self.is_first() {
            let own = self.agree(work())?;
            return self.agree(Ok(own));
        }
        self.agree(Ok(()))?;
        self.agree(work())
    }

    /// Does `work` in the first process alone, while the others wait.
    ///
    /// # Errors
    /// As [`Processes::agree`].
    ///
    /// # Panics
    /// As [`Processes::all_gather`].
    pub(crate) fn first_alone(
        &self,
        work: impl FnOnce() -> Result<(), Error>,
    ) -> Result<(), Error> {
        match self.is_first() {
            true => self.agree_within(work(), Wait::Step),
            false => self.agree_within(Ok(()), Wait::Files),
        }
    }

    /// What the first process says.
    pub(crate) fn first_says(&self, own: bool) -> bool {
        self.gather(vec![own.into()], Wait::Step)[0] == [1]
    }

    /// `config` with the number of threads of each process: that asked for, or else as many as every
    /// process has, where those that may run on the same cores share them.
    pub fn with_threads(&self, mut config: Config) -> Config {
        if self.count() == 1 {
            return config;
        }
        let place = machine::cores_as_text();
        let all = self.all_gather(place.clone().into_bytes());
        let sharers = all.iter().filter(|other| **other == place.as_bytes()).count();
        let threads = (machine::cores() / sharers.max(1)).max(1) as u64;
        let all = self.all_gather(threads.to_le_bytes().to_vec());
        let numbers =
            all.iter().filter_map(|bytes| Some(u64::from_le_bytes(bytes[..].try_into().ok()?)));
        let least = numbers.min().unwrap_or(threads) as usize;
        if config.threads == 0 {
            config.threads = least;
        }
        config
    }

    /// Refuses processes that would not come to the same bits, and those that would have no work.
    ///
    /// # Errors
    /// A sentence that names the process and the first thing in which it differs from the first one.
    pub(crate) fn check(
        &self,
        config: &Config,
        provenance: &Provenance,
        model: &SoftmaxClassifier,
        kernel: Kernel,
    ) -> Result<(), Error> {
        if self.count() == 1 {
            return Ok(());
        }
        let own = identity(config, provenance, model);
        let text = toml::to_string(&own).expect("a table of text");
        let all = self.all_gather(text.into_bytes());
        let tables = all.iter().map(|text| config_table(text));
        let mut tables = tables.collect::<Vec<_>>().into_iter();
        let first = tables.next().unwrap_or_default();
        for (other, process) in tables.zip(1..) {
            // In the order of the settings, then whatever only the other has.
            let keys = first.keys().chain(other.keys());
            let value = |table: &toml::Table, key: &str| match table.get(key) {
                Some(value) => value.as_str().unwrap_or_default().to_owned(),
                None => "not set".to_owned(),
            };
            for key in keys {
                let (here, there) = (value(&first, key), value(&other, key));
                let same =
                    if key == KERNEL { Kernel::round_alike(&here, &there) } else { here == there };
                if !same {
                    return Err(ConfigError::new(format!(
                        "rank {process} differs from rank 0 in {key}: {there} there, {here} here; \
                         all ranks need the same"
                    ))
                    .into());
                }
            }
        }
        let most = most_ranks(model.architecture(), kernel);
        if self.count() > most {
            return Err(ConfigError::new(format!(
                "there are {} ranks, and the {} inputs of this network are {most} blocks: at most \
                 {most} ranks have work",
                self.count(),
                model.architecture().inputs()
            ))
            .into());
        }
        Ok(())
    }
}

/// The key of the kernels in an identity: those that give the same bits are alike.
const KERNEL: &str = "kernels";

/// What processes must have in common: each as text, so that a person can read the difference.
fn identity(config: &Config, provenance: &Provenance, model: &SoftmaxClassifier) -> toml::Table {
    let mut settings = config.to_table();
    PLACES.iter().for_each(|key| drop(settings.remove(*key)));
    let mut weights = Sha256::new();
    model.parameters().iter().for_each(|value| weights.update(value.to_le_bytes()));
    let facts = [
        ("version", format!("{} ({})", provenance.chainrule, provenance.commit)),
        ("images (SHA-256)", provenance.data_sha256.clone()),
        ("initial weights (SHA-256)", hexadecimal(weights)),
        ("teacher (SHA-256)", provenance.teacher_sha256.clone().unwrap_or_default()),
        (KERNEL, provenance.kernel.clone()),
    ];
    let settings = settings.into_iter().map(|(key, value)| (key, value.to_string()));
    let facts = facts.into_iter().map(|(key, value)| (key.to_owned(), value));
    facts.chain(settings).map(|(key, value)| (key, toml::Value::String(value))).collect()
}

/// What another process has sent as an identity.
fn config_table(text: &[u8]) -> toml::Table {
    toml::from_str(&String::from_utf8_lossy(text)).unwrap_or_default()
}
