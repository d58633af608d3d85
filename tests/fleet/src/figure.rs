//! Measured values beside their aims.

use serde_json::json;

/// A measured value.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What it is.
    pub name: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
    /// The aim, and whether more is better.
    pub goal: Option<(f64, bool)>,
}

impl Figure {
    /// One that has an aim: at most so much.
    pub fn at_most(name: String, value: f64, unit: &'static str, goal: f64) -> Self {
        Self { name, value, unit, goal: Some((goal, false)) }
    }

    /// One that has an aim: at least so much.
    pub fn at_least(name: String, value: f64, unit: &'static str, goal: f64) -> Self {
        Self { name, value, unit, goal: Some((goal, true)) }
    }

    /// One without an aim.
    pub fn plain(name: String, value: f64, unit: &'static str) -> Self {
        Self { name, value, unit, goal: None }
    }

    fn reached(&self) -> bool {
        self.goal.is_none_or(|(goal, more)| if more { self.value >= goal } else { self.value <= goal })
    }
}

/// Prints figures as a table or as JSON lines.
pub fn print(figures: &[Figure], as_json: bool) {
    for figure in figures {
        if as_json {
            let mut line = json!({"name": figure.name, "value": figure.value, "unit": figure.unit});
            if let Some((goal, more)) = figure.goal {
                line["goal"] = json!(goal);
                line["better"] = json!(if more { "higher" } else { "lower" });
            }
            println!("{line}");
        } else {
            let goal = figure.goal.map_or_else(String::new, |(goal, _)| format!("{goal:.0}"));
            let mark = if figure.reached() { "" } else { "  (aim missed)" };
            println!("{:<64} {:>10.2} {:<6} {:>8}{mark}", figure.name, figure.value, figure.unit, goal);
        }
    }
}
