//! stepping page, in work
use super::TooLarge;
use crate::Circuit;
/// Draws.
/// # Errors
/// Too many gates.
pub fn draw(circuit: &Circuit) -> Result<String, TooLarge> {
    super::svg::draw(circuit)
}
