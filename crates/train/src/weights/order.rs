//! The order of linear layers, which a file does not keep: by the numbers in their names, and by
//! their widths, for each reads what the one before it writes.

use std::collections::BTreeMap;

use super::module::{Linear, shown};

/// How many steps the search for an order may take; a network with numbers needs one a layer.
const MOST_STEPS: usize = 20_000;

/// The layers in the only order that their numbers and widths allow.
pub(super) fn in_order(linears: Vec<Linear>) -> Result<Vec<Linear>, String> {
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, linear) in linears.iter().enumerate() {
        groups.entry(&linear.name.pattern).or_default().push(i);
    }
    let mut groups: Vec<Vec<usize>> = groups.into_values().collect();
    for group in &mut groups {
        group.sort_by(|&a, &b| linears[a].name.numbers.cmp(&linears[b].name.numbers));
    }
    let mut search = Search {
        linears: &linears,
        at: vec![0; groups.len()],
        groups,
        path: vec![],
        found: vec![],
        steps: 0,
    };
    search.go_on();
    let Search { groups, found, steps, .. } = search;
    match found.as_slice() {
        [order] if steps <= MOST_STEPS => {
            let mut linears: Vec<Option<Linear>> = linears.into_iter().map(Some).collect();
            Ok(order.iter().map(|&i| linears[i].take().expect("each stands once")).collect())
        }
        [] if steps <= MOST_STEPS => Err(no_chain(&linears, &groups)),
        [first, second, ..] => {
            let differs = first.iter().zip(second).find(|(a, b)| a != b).expect("two orders");
            let [a, b] = [*differs.0, *differs.1].map(|i| shown(linears[i].weight.0));
            Err(format!("the order of {a} and {b} is not known: {NUMBER_THEM}"))
        }
        _ => Err(format!("the order of its {} layers is not known: {NUMBER_THEM}", linears.len())),
    }
}

const NUMBER_THEM: &str = "number the layers in their names, as in fc1, fc2, ...";

/// Why the layers follow each other in no order.
fn no_chain(linears: &[Linear], groups: &[Vec<usize>]) -> String {
    if let [group] = groups {
        for pair in group.windows(2) {
            let (before, after) = (&linears[pair[0]], &linears[pair[1]]);
            if after.inputs() != before.outputs() {
                return format!(
                    "{} reads {} values, but the layer before it writes {}",
                    shown(after.weight.0),
                    after.inputs(),
                    before.outputs()
                );
            }
        }
    }
    let shapes = linears
        .iter()
        .take(12)
        .map(|linear| format!("{} {:?}", shown(linear.weight.0), linear.weight.1));
    format!(
        "its layers cannot follow each other, each reading what the one before it writes: {}",
        shapes.collect::<Vec<_>>().join(", ")
    )
}

/// A search for orders in which each layer reads what the one before it writes, and layers of one
/// pattern of names keep the order of their numbers.
struct Search<'a, 'b> {
    linears: &'b [Linear<'a>],
    groups: Vec<Vec<usize>>,
    /// How many layers of each group stand in the path.
    at: Vec<usize>,
    path: Vec<usize>,
    found: Vec<Vec<usize>>,
    steps: usize,
}

impl Search<'_, '_> {
    fn go_on(&mut self) {
        self.steps += 1;
        if self.found.len() > 1 || self.steps > MOST_STEPS {
            return;
        }
        if self.path.len() == self.linears.len() {
            self.found.push(self.path.clone());
            return;
        }
        let writes = self.path.last().map(|&last| self.linears[last].outputs());
        for group in 0..self.groups.len() {
            let Some(&next) = self.groups[group].get(self.at[group]) else { continue };
            if writes.is_some_and(|writes| writes != self.linears[next].inputs()) {
                continue;
            }
            self.at[group] += 1;
            self.path.push(next);
            self.go_on();
            self.path.pop();
            self.at[group] -= 1;
        }
    }
}
