//! The chart of a sweep: for each key that varied, the validation accuracy over its values.

use crate::chart::{Axis, Figure, Key, Line, Look, Marker, PALE, Panel, SERIES};

/// The value of a key at one point of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub enum Swept {
    /// A position on an axis of numbers.
    Number(f64),
    /// A word beside others.
    Word(String),
}

/// What a sweep tried of one key.
#[derive(Clone, Debug, PartialEq)]
pub struct SweptKey {
    /// The setting's name.
    pub name: String,
    /// Whether equal factors are equally far apart.
    pub logarithmic: bool,
    /// Its value at each point.
    pub values: Vec<Swept>,
    /// Points whose values are equal or neighbors, and whose mean is drawn.
    pub groups: Vec<Vec<usize>>,
    /// The share of the variance that these groups explain, from 0 to 1.
    pub share: Option<f64>,
}

/// Draws a panel for each of the `keys`: the `accuracies`, from 0 to 1, of all points (nothing of one
/// that diverged) over the key's values, the `best` marked.
pub fn sweep(
    title: String,
    subtitle: Vec<String>,
    keys: &[SweptKey],
    accuracies: &[Option<f64>],
    best: Option<usize>,
) -> Figure {
    let alone = |ink, marker| Look::line(ink).width(0.0).marker(marker);
    let trial = alone(SERIES[0], Marker::Circle);
    let mean = Look::line(PALE).width(1.5);
    let winner = alone(SERIES[1], Marker::Diamond);
    let broken = alone(SERIES[3], Marker::Triangle);

    let percent: Vec<_> = accuracies.iter().flatten().map(|accuracy| 100.0 * accuracy).collect();
    let y = Axis::around("validation accuracy (%)", &percent);
    let panel = |key: &SweptKey| {
        let (x, positions) = axis(key);
        let mut panel = Panel::new(x, y.clone());
        let group = |group: &Vec<usize>| {
            let of = |value: &dyn Fn(usize) -> f64| {
                group.iter().map(|&i| value(i)).sum::<f64>() / group.len() as f64
            };
            let x = match key.logarithmic {
                true => of(&|i| positions[i].ln()).exp(),
                false => of(&|i| positions[i]),
            };
            (x, of(&|i| accuracies[i].map_or(f64::NAN, |accuracy| 100.0 * accuracy)))
        };
        if key.groups.len() > 1 {
            panel.lines.push(Line { points: key.groups.iter().map(group).collect(), look: mean });
        }
        // A line each, for a line leaves out markers that would cover each other.
        let points = accuracies.iter().enumerate().filter(|&(i, _)| Some(i) != best);
        let point = |i: usize, accuracy: Option<f64>, look| {
            let height = accuracy.map_or(y.from, |accuracy| 100.0 * accuracy);
            Line { points: vec![(positions[i], height)], look }
        };
        panel.lines.extend(points.map(|(i, accuracy)| {
            point(i, *accuracy, if accuracy.is_some() { trial } else { broken })
        }));
        panel.lines.extend(best.map(|i| point(i, accuracies[i], winner)));
        panel
    };
    let several = accuracies.iter().any(Option::is_none);
    let mut keys_of = vec![Key::new("one point", trial)];
    if keys.iter().any(|key| key.groups.len() > 1) {
        keys_of.push(Key::new("mean of equal or neighboring values", mean));
    }
    keys_of.extend(best.map(|_| Key::new("the best", winner)));
    keys_of.extend(several.then(|| Key::new("diverged, at the lower edge", broken)));
    Figure { title, subtitle, keys: keys_of, panels: keys.iter().map(panel).collect() }
}

/// The horizontal axis of a key, and the position of each point on it.
fn axis(key: &SweptKey) -> (Axis, Vec<f64>) {
    let share = key.share.map_or(String::new(), |share| {
        format!(": explains {:.0} % of the variance", 100.0 * share)
    });
    let numbers: Option<Vec<f64>> = key
        .values
        .iter()
        .map(|value| match value {
            Swept::Number(x) => Some(*x),
            Swept::Word(_) => None,
        })
        .collect();
    let Some(numbers) = numbers else {
        let text = |value: &Swept| match value {
            Swept::Number(x) => x.to_string(),
            Swept::Word(word) => word.clone(),
        };
        let mut words: Vec<_> = key.values.iter().map(text).collect();
        let all = words.clone();
        words.sort_unstable();
        words.dedup();
        let positions = all.iter().filter_map(|word| words.binary_search(word).ok());
        let positions = positions.map(|position| position as f64).collect();
        return (Axis::words(format!("{}{share}", key.name), words), positions);
    };
    let logarithmic =
        Axis::logarithmic_around(format!("{} (log scale){share}", key.name), &numbers);
    let axis = logarithmic.filter(|_| key.logarithmic);
    let axis = axis.unwrap_or_else(|| Axis::around(format!("{}{share}", key.name), &numbers));
    (axis, numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, values: Vec<Swept>) -> SweptKey {
        let groups = vec![vec![0, 1], vec![2]];
        SweptKey { name: name.into(), logarithmic: false, values, groups, share: Some(0.625) }
    }

    #[test]
    fn every_point_is_drawn_over_its_value_the_best_in_front_and_what_diverged_at_the_edge() {
        let rate = SweptKey {
            logarithmic: true,
            ..key("learning_rate", [1e-3, 4e-3, 0.1, 1.0].map(Swept::Number).into())
        };
        let norm =
            key("norm", ["none", "batch", "none", "layer"].map(|w| Swept::Word(w.into())).into());
        let accuracies = [Some(0.4), Some(0.5), Some(0.45), None];
        let figure = sweep("A sweep".into(), vec![], &[rate, norm], &accuracies, Some(1));
        let [rates, norms] = figure.panels.as_slice() else { panic!("a panel for each key") };
        let ends = |panel: &Panel| -> Vec<(f64, f64)> {
            panel.lines[1..].iter().map(|line| line.points[0]).collect()
        };
        let edge = rates.y.from;
        assert_eq!(ends(rates), [(1e-3, 40.0), (0.1, 45.0), (1.0, edge), (4e-3, 50.0)]);
        // In the order of the alphabet: batch, layer, none.
        assert_eq!(ends(norms), [(2.0, 40.0), (2.0, 45.0), (1.0, edge), (0.0, 50.0)]);
        let mean = &rates.lines[0].points;
        assert!((mean[0].0 - 2e-3).abs() < 1e-12 && (mean[0].1 - 45.0).abs() < 1e-12, "{mean:?}");
        let svg = figure.svg();
        for text in
            ["learning_rate (log scale): explains 62 %", "batch", "layer", "diverged", "the best"]
        {
            assert!(svg.contains(text), "{text}");
        }
    }

    #[test]
    fn many_keys_stand_in_rows_and_a_sweep_without_results_is_still_a_picture() {
        let keys: Vec<_> = (0..7).map(|i| key(&format!("key{i}"), vec![])).collect();
        let keys: Vec<_> = keys.into_iter().map(|key| SweptKey { groups: vec![], ..key }).collect();
        let svg = sweep("None".into(), vec![], &keys, &[], None).svg();
        assert!((0..7).all(|i| svg.contains(&format!("key{i}"))));
    }
}
