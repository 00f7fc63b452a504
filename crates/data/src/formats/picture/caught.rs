//! A panic of a library that decodes pictures, as a refusal of the picture.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local!(static IS_CAUGHT: Cell<bool> = const { Cell::new(false) });

/// What `decode` returns, or an error if it panics; then nothing is printed either.
///
/// Decoders meet files that their authors did not think of: png 0.18.1 panics at a palette of one byte,
/// zune-jpeg 0.5.15 at some numbers of samples.
pub(super) fn caught<T>(decode: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if !IS_CAUGHT.get() {
                before(panic);
            }
        }));
    });
    IS_CAUGHT.set(true);
    // What a panic leaves half done is dropped with the decoder.
    let result = catch_unwind(AssertUnwindSafe(decode));
    IS_CAUGHT.set(false);
    result.unwrap_or_else(|_| Err("it is damaged: its decoder gave up".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_within_is_a_refusal_and_one_behind_it_is_a_panic() {
        assert_eq!(caught(|| Ok(3)), Ok(3));
        assert_eq!(caught::<()>(|| Err("no".into())), Err("no".into()));
        let refused = caught(|| Ok([1, 2][std::hint::black_box(2)]));
        assert_eq!(refused, Err("it is damaged: its decoder gave up".into()));
        assert!(!IS_CAUGHT.get());
        assert!(catch_unwind(|| panic!("still one")).is_err());
    }
}
