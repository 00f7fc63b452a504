//! The sources of this crate as text, for what shows them beside their mathematics.

/// `layers/linear.rs`: the fully connected layer.
pub const LINEAR: &str = include_str!("layers/linear.rs");
/// `layers/relu.rs`: the rectified linear unit.
pub const RELU: &str = include_str!("layers/relu.rs");
/// `loss.rs`: softmax and cross-entropy.
pub const LOSS: &str = include_str!("loss.rs");
/// `step.rs`: one step of training.
pub const STEP: &str = include_str!("step.rs");
/// `optimizer.rs`: how a gradient becomes a step.
pub const OPTIMIZER: &str = include_str!("optimizer.rs");
/// `classifier.rs`: the classifier.
pub const CLASSIFIER: &str = include_str!("classifier.rs");

/// The item at the top of a file whose first line begins with `head`, and its doc comment.
///
/// ```
/// use chainrule_nn::source::{LOSS, item};
///
/// let softmax = item(LOSS, "pub fn softmax").unwrap();
/// assert!(softmax.starts_with("/// ") && softmax.ends_with('}'));
/// assert_eq!(item(LOSS, "pub fn soft_max"), None);
/// ```
#[must_use]
pub fn item<'a>(source: &'a str, head: &str) -> Option<&'a str> {
    let found = if source.starts_with(head) { 0 } else { source.find(&format!("\n{head}"))? + 1 };
    // Up over the lines that belong to it.
    let mut start = found;
    while let Some(line) = source[..start].lines().next_back() {
        if !line.starts_with("///") && !line.starts_with("#[") {
            break;
        }
        start -= line.len() + 1;
    }
    let end = found + source[found..].find("\n}")? + 2;
    Some(&source[start..end])
}
