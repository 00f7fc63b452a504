//! Random formulas that know their own value and derivative.

#![allow(dead_code, reason = "each test uses a part")]

use std::collections::BTreeMap;

use proptest::prelude::*;

/// A formula that knows its own value: written here, recursive and slow, so as
/// to share nothing with the crate.
#[derive(Clone, Debug)]
pub enum Tree {
    Number(f64),
    Variable(usize),
    Negate(Box<Tree>),
    Call(&'static str, Box<Tree>),
    Combine(char, Box<Tree>, Box<Tree>),
    Largest(Vec<Tree>),
}

impl Tree {
    pub fn value(&self, at: &[f64]) -> f64 {
        match self {
            Tree::Number(c) => *c,
            Tree::Variable(i) => at[*i],
            Tree::Negate(a) => -a.value(at),
            Tree::Call(name, a) => {
                let a = a.value(at);
                match *name {
                    "exp" => a.exp(),
                    "log" => a.ln(),
                    "sqrt" => a.sqrt(),
                    "sin" => a.sin(),
                    "cos" => a.cos(),
                    "tanh" => a.tanh(),
                    "sigmoid" => 1.0 / (1.0 + (-a).exp()),
                    "relu" => {
                        if a <= 0.0 {
                            0.0
                        } else {
                            a
                        }
                    }
                    "abs" => a.abs(),
                    _ => unreachable!(),
                }
            }
            Tree::Combine(operator, a, b) => {
                let (a, b) = (a.value(at), b.value(at));
                match operator {
                    '+' => a + b,
                    '-' => a - b,
                    '*' => a * b,
                    '/' => a / b,
                    '^' => a.powf(b),
                    _ => unreachable!(),
                }
            }
            Tree::Largest(all) => {
                let values: Vec<f64> = all.iter().map(|t| t.value(at)).collect();
                if values.iter().any(|v| v.is_nan()) {
                    return f64::NAN;
                }
                values.into_iter().fold(f64::NEG_INFINITY, f64::max)
            }
        }
    }

    /// Value and derivative by one variable, in forward mode: dual numbers. At a
    /// kink the derivative is NaN.
    pub fn dual(&self, at: &[f64], by: usize) -> (f64, f64) {
        match self {
            Tree::Number(c) => (*c, 0.0),
            Tree::Variable(i) => (at[*i], f64::from(u8::from(*i == by))),
            Tree::Negate(a) => {
                let (a, da) = a.dual(at, by);
                (-a, -da)
            }
            Tree::Call(name, a) => {
                let (a, da) = a.dual(at, by);
                let (v, dv) = match *name {
                    "exp" => (a.exp(), a.exp()),
                    "log" => (a.ln(), 1.0 / a),
                    "sqrt" => (a.sqrt(), 0.5 / a.sqrt()),
                    "sin" => (a.sin(), a.cos()),
                    "cos" => (a.cos(), -a.sin()),
                    "tanh" => (a.tanh(), (1.0 / a.cosh()).powi(2)),
                    "sigmoid" => (1.0 / (1.0 + (-a).exp()), 0.25 / (a / 2.0).cosh().powi(2)),
                    "relu" if a == 0.0 && da != 0.0 => (0.0, f64::NAN),
                    "relu" => (a.max(0.0), f64::from(u8::from(a > 0.0))),
                    "abs" if a == 0.0 && da != 0.0 => (0.0, f64::NAN),
                    "abs" => (a.abs(), a.signum()),
                    _ => unreachable!(),
                };
                (v, if da == 0.0 { 0.0 } else { dv * da })
            }
            Tree::Combine(operator, a, b) => {
                let ((a, da), (b, db)) = (a.dual(at, by), b.dual(at, by));
                match operator {
                    '+' => (a + b, da + db),
                    '-' => (a - b, da - db),
                    '*' => (a * b, da * b + a * db),
                    '/' => (a / b, da / b - a / b * (db / b)),
                    '^' => {
                        let by_base = if da == 0.0 { 0.0 } else { b * a.powf(b - 1.0) * da };
                        let by_exponent = if db == 0.0 { 0.0 } else { a.powf(b) * a.ln() * db };
                        (a.powf(b), by_base + by_exponent)
                    }
                    _ => unreachable!(),
                }
            }
            Tree::Largest(all) => {
                let all: Vec<_> = all.iter().map(|t| t.dual(at, by)).collect();
                let largest = all.iter().fold(f64::NEG_INFINITY, |m, (v, _)| m.max(*v));
                let mut winners = all.iter().filter(|(v, _)| *v == largest);
                let first = *winners.next().unwrap_or(&(f64::NAN, f64::NAN));
                match winners.any(|(_, d)| *d != first.1) {
                    true => (largest, f64::NAN),
                    false => first,
                }
            }
        }
    }

    /// With every pair of parentheses, or only with those that the notation needs.
    pub fn text(&self, sparing: bool, out: &mut String) {
        match self {
            Tree::Number(c) => out.push_str(&format!("{c}")),
            Tree::Variable(i) => out.push_str(&format!("x_{i}")),
            Tree::Negate(a) => {
                out.push_str("(-(");
                a.text(sparing, out);
                out.push_str("))");
            }
            Tree::Call(name, a) => {
                out.push_str(name);
                out.push('(');
                a.text(sparing, out);
                out.push(')');
            }
            Tree::Combine(operator, a, b) => {
                // Left-associative sums and products can go without.
                let bare = sparing
                    && matches!(
                        (operator, a.as_ref()),
                        ('+' | '-', Tree::Combine('+' | '-' | '*' | '/', ..))
                            | ('*' | '/', Tree::Combine('*' | '/', ..))
                    );
                if !bare {
                    out.push('(');
                }
                a.text(sparing, out);
                if !bare {
                    out.push(')');
                }
                out.push(*operator);
                out.push('(');
                b.text(sparing, out);
                out.push(')');
            }
            Tree::Largest(all) => {
                out.push_str("max(");
                for (i, t) in all.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    t.text(sparing, out);
                }
                out.push(')');
            }
        }
    }
}

pub fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        (0..40_u32).prop_map(|n| Tree::Number(f64::from(n) / 8.0)),
        (0..4_usize).prop_map(Tree::Variable),
    ];
    leaf.prop_recursive(7, 60, 3, |inner| {
        let name = prop::sample::select(vec![
            "exp", "log", "sqrt", "sin", "cos", "tanh", "sigmoid", "relu", "abs",
        ]);
        let operator = prop::sample::select(vec!['+', '-', '*', '/', '^']);
        prop_oneof![
            inner.clone().prop_map(|a| Tree::Negate(Box::new(a))),
            (name, inner.clone()).prop_map(|(name, a)| Tree::Call(name, Box::new(a))),
            (operator, inner.clone(), inner.clone()).prop_map(|(o, a, b)| Tree::Combine(
                o,
                Box::new(a),
                Box::new(b)
            )),
            prop::collection::vec(inner, 2..4).prop_map(Tree::Largest),
        ]
    })
}

pub fn used(tree: &Tree, seen: &mut BTreeMap<usize, ()>) {
    match tree {
        Tree::Number(_) => {}
        Tree::Variable(i) => {
            seen.insert(*i, ());
        }
        Tree::Negate(a) | Tree::Call(_, a) => used(a, seen),
        Tree::Combine(_, a, b) => {
            used(a, seen);
            used(b, seen);
        }
        Tree::Largest(all) => all.iter().for_each(|t| used(t, seen)),
    }
}
