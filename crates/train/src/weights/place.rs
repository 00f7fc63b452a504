//! Which hidden layer a normalization belongs to: by its number, or by its width.

use std::collections::BTreeMap;

use super::module::{Linear, Name, Normalizing, shown};

/// A normalization, and the layer whose sums it normalizes, both from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub norm: usize,
    pub layer: usize,
}

/// The place of each normalization among the layers, which stand in order.
pub(super) fn places(norms: &[Normalizing], linears: &[Linear]) -> Result<Vec<Place>, String> {
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, norm) in norms.iter().enumerate() {
        groups.entry(&norm.name.pattern).or_default().push(i);
    }
    let mut found = vec![];
    for mut group in groups.into_values() {
        group.sort_by(|&a, &b| norms[a].name.numbers.cmp(&norms[b].name.numbers));
        let name = &norms[group[0]].name;
        let in_a_list =
            name.is_position() && linears.iter().any(|linear| linear.name.pattern == name.pattern);
        let layers = if in_a_list {
            let layer = |&i: &usize| by_position(&norms[i], linears);
            group.iter().map(layer).collect::<Result<Vec<_>, _>>()?
        } else {
            by_name_and_width(&group, norms, linears)?
        };
        found.extend(group.into_iter().zip(layers).map(|(norm, layer)| Place { norm, layer }));
    }
    found.sort_by_key(|place| place.layer);
    Ok(found)
}

fn width_of_hidden(layer: usize, linears: &[Linear]) -> Option<usize> {
    (layer + 1 < linears.len()).then(|| linears[layer].outputs())
}

/// In an `nn.Sequential` it stands right behind its layer.
fn by_position(norm: &Normalizing, linears: &[Linear]) -> Result<usize, String> {
    let Name { pattern, numbers, .. } = &norm.name;
    let before = linears
        .iter()
        .enumerate()
        .filter(|(_, linear)| linear.name.pattern == *pattern && linear.name.numbers < *numbers);
    let name = shown(norm.tensor);
    let Some((layer, linear)) = before.max_by(|a, b| a.1.name.numbers.cmp(&b.1.name.numbers))
    else {
        return Err(format!(
            "{name} stands before the first layer: expected it between two layers"
        ));
    };
    let (last, rest) = numbers.split_last().expect("a position has a number");
    let after = linear.name.numbers.split_last();
    if after.is_none_or(|(before, path)| path != rest || last - before != 1) {
        return Err(format!(
            "{name} does not stand right behind {}, perhaps behind its activation, where it is not \
             understood: expected it at the next position",
            shown(&linear.name.stem)
        ));
    }
    match width_of_hidden(layer, linears) {
        Some(width) if width == norm.width => Ok(layer),
        Some(width) => Err(format!(
            "{name} has {} values, and {} before it writes {width}",
            norm.width,
            shown(&linear.name.stem)
        )),
        None => Err(format!("{name} stands behind the last layer: expected it between two layers")),
    }
}

/// The layers of normalizations that have names of their own, if all ways to find them agree.
fn by_name_and_width(
    group: &[usize],
    norms: &[Normalizing],
    linears: &[Linear],
) -> Result<Vec<usize>, String> {
    let hidden = linears.len() - 1;
    let fits =
        |norm: usize, layer: usize| width_of_hidden(layer, linears) == Some(norms[norm].width);
    // bn2 belongs to fc2; a position in a list, as the 2 of an `nn.Sequential`, is no such number.
    let by_number = group.iter().map(|&norm| {
        let numbers = &norms[norm].name.numbers;
        let has_it = |linear: &Linear| {
            !numbers.is_empty() && !linear.name.is_position() && linear.name.numbers == *numbers
        };
        let mut layers = (0..linears.len()).filter(|&layer| has_it(&linears[layer]));
        let layer = layers.next().filter(|_| layers.next().is_none())?;
        fits(norm, layer).then_some(layer)
    });
    // One before the first layer or behind the last is none that a network of this program has; where
    // the width would allow it, the width is no proof.
    let outside = [linears[0].inputs(), linears[hidden].outputs()];
    let is_inside = |norm: usize| !outside.contains(&norms[norm].width);
    // As many as there are hidden layers, numbered, each with the width of its own.
    let numbers = |i: usize| &norms[group[i]].name.numbers;
    let is_numbered =
        !numbers(0).is_empty() && (1..group.len()).all(|i| numbers(i - 1) < numbers(i));
    let is_from_the_first = *numbers(0) == linears[0].name.numbers;
    let in_order = is_numbered
        && group.len() == hidden
        && (is_from_the_first || group.iter().all(|&norm| is_inside(norm)));
    let by_order = group
        .iter()
        .enumerate()
        .map(|(layer, &norm)| (in_order && fits(norm, layer)).then_some(layer));
    // The only hidden layer of its width.
    let by_width = group.iter().map(|&norm| {
        let mut layers = (0..hidden).filter(|&layer| fits(norm, layer));
        let layer = layers.next().filter(|_| layers.next().is_none())?;
        is_inside(norm).then_some(layer)
    });
    let ways: [Option<Vec<usize>>; 3] =
        [by_number.collect(), by_order.collect(), by_width.collect()];
    let mut ways = ways.into_iter().flatten();
    match ways.next() {
        Some(layers) if ways.all(|other| other == layers) => Ok(layers),
        _ => {
            let norm = &norms[group[0]];
            Err(format!(
                "which layer {} belongs to, of width {}, is not known: give it the number of its \
                 layer, as in fc1 and norm1, and expect it before the activation",
                shown(norm.tensor),
                norm.width
            ))
        }
    }
}
