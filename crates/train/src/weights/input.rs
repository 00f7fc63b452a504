//! The normalization of the input that a file brings, and whether its numbers look like those of
//! pixels from 0 to 255.

use chainrule_data::Normalization;

use super::Remark;
use crate::tensors::TensorFile;

/// The normalization of a network that reads `inputs` values; mean 0 and deviation 255, if the file
/// has none. With a note for the user.
pub(super) fn normalization(
    file: &TensorFile,
    inputs: usize,
) -> Result<(Normalization, Option<Remark>), String> {
    let find = |name: &str| file.tensors.get(name);
    let (mean, std, is_given) = match (find("input.mean"), find("input.std")) {
        (None, None) => (vec![0.0], vec![255.0], false),
        (Some((_, mean)), Some((_, std))) => (mean.clone(), std.clone(), true),
        _ => return Err("of input.mean and input.std it holds one, and needs both".into()),
    };
    let contrast = match find("input.contrast") {
        None => None,
        Some((shape, values)) if *shape == [1] => Some(values[0]),
        Some((shape, _)) => {
            return Err(format!("input.contrast has shape {shape:?}: expected [1]"));
        }
    };
    let remark = match is_given {
        false => Some(Remark {
            is_warning: false,
            text: "it holds no input.mean and input.std: pixels, from 0 to 255, are divided by 255"
                .into(),
        }),
        // After a contrast normalization values are of the order of 1.
        true if contrast.is_none() && is_of_the_unit_range(&mean, &std) => Some(Remark {
            is_warning: true,
            text: format!(
                "input.mean {} and input.std {} look like those of pixels from 0 to 1, and here \
                 they are of pixels from 0 to 255: multiply both by 255 when the file is written",
                mean[0], std[0]
            ),
        }),
        true => None,
    };
    let normalization = Normalization::new(mean, std)
        .and_then(|normalization| normalization.with_contrast(contrast))
        .map_err(|error| format!("input.mean and input.std: {error}"))?;
    normalization.scale_shift(inputs).map_err(|error| error.to_string())?;
    Ok((normalization, remark))
}

/// Whether these are statistics of pixels from 0 to 1, or from -1 to 1: of those from 0 to 255 every
/// deviation would have to be less than half a percent of the range.
fn is_of_the_unit_range(mean: &[f32], std: &[f32]) -> bool {
    mean.iter().all(|mean| mean.abs() <= 1.0) && std.iter().all(|&std| std <= 1.0)
}
