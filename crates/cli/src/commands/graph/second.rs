//! Jacobians and Hessians, in text and JSON.

use anyhow::bail;
use chainrule_graph::jacobian::jacobian;
use chainrule_graph::{Steps, Value};
use serde_json::{Map, json};

use super::{Args, Format, Named, chosen, ids, json, print, write_output, written};

/// The second derivatives in lines. Both orders give the same, so each is there once.
pub(super) fn table(f: &str, variables: &Named, blocks: &[Vec<Value>]) -> String {
    let mut text = String::new();
    for (i, (a, _)) in variables.iter().enumerate() {
        for (j, (b, _)) in variables.iter().enumerate().skip(i) {
            let block = &blocks[i][j];
            let by = if a == b { format!("d{a}²") } else { format!("d{a} d{b}") };
            text.push_str(&format!("d²{f}/{by} = {}\n", written(block.view())));
        }
    }
    text
}

/// `--jacobian`: each output by each variable.
pub(super) fn print_jacobian(
    steps: &Steps<'_>,
    outputs: &str,
    args: &Args,
    format: Format,
) -> anyhow::Result<()> {
    if !args.json && !matches!(format, Format::Text) {
        bail!("--jacobian is written as text or JSON, and not drawn");
    }
    let graph = steps.graph();
    let outputs = match outputs {
        "" => steps.ends(),
        names => names
            .split(',')
            .map(|name| match steps.node(Some(name.trim())) {
                Some(node) => Ok((Some(name.trim()), node)),
                None => bail!("--jacobian names {name}, which is no step of the formula"),
            })
            .collect::<anyhow::Result<_>>()?,
    };
    let outputs: Vec<_> =
        outputs.into_iter().map(|(name, node)| (name.unwrap_or("f"), node)).collect();
    let all: Named = graph.variables().iter().map(|(id, name)| (name.as_str(), *id)).collect();
    let variables = chosen(&all, "--wrt", &args.wrt)?;
    let nodes: Vec<_> = outputs.iter().map(|(_, node)| *node).collect();
    let blocks = jacobian(graph, &nodes, &ids(&variables))?;
    let text = if args.json {
        let values = outputs
            .iter()
            .map(|(name, node)| ((*name).to_owned(), json::matrix(graph.matrix(*node))));
        let names = outputs.iter().map(|(name, _)| *name);
        let answer = json!({
            "formula": steps.title(),
            "outputs": values.collect::<Map<_, _>>(),
            "jacobian": json::blocks(names, &variables, &blocks),
        });
        format!("{}\n", serde_json::to_string_pretty(&answer)?)
    } else {
        let mut text = format!("{}\n\n", steps.title());
        for ((f, node), blocks) in outputs.iter().zip(&blocks) {
            text.push_str(&format!("{f} = {}\n", written(graph.matrix(*node))));
            for ((name, _), block) in variables.iter().zip(blocks) {
                text.push_str(&format!("d{f}/d{name} = {}\n", written(block.view())));
            }
        }
        text
    };
    match &args.output {
        Some(file) => write_output(file, text.as_bytes()),
        None => print(text.as_bytes()),
    }
}
