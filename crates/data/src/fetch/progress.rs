//! How far a fetch has come, for whoever shows it.

/// Hears how far a fetch has come. The bar on a terminal is the caller's affair.
pub trait Progress {
    /// A note for the user, one line.
    fn say(&mut self, line: &str);
    /// A stage begins, of `total` bytes if that is known.
    fn start(&mut self, what: &str, total: Option<u64>);
    /// `bytes` more of the stage are done.
    fn advance(&mut self, bytes: u64);
    /// The stage is over, well or not.
    fn finish(&mut self);
}

/// Hears nothing.
impl Progress for () {
    fn say(&mut self, _: &str) {}
    fn start(&mut self, _: &str, _: Option<u64>) {}
    fn advance(&mut self, _: u64) {}
    fn finish(&mut self) {}
}
