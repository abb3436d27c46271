//! One figure: ours, what stands beside it, and the ratio of the two.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A measured value beside a limit, a goal or another measured value.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// Which part of the bench gave it.
    pub(crate) group: String,
    /// What was measured.
    pub(crate) name: String,
    /// The value.
    pub(crate) ours: f64,
    /// Its unit; the other value has the same.
    pub(crate) unit: String,
    /// What stands beside it, if anything.
    pub(crate) beside: Option<Beside>,
    /// Ours divided by the other.
    pub(crate) ratio: Option<f64>,
}

/// The other value.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Beside {
    /// Where it comes from.
    pub(crate) name: String,
    /// The value.
    pub(crate) value: f64,
}

impl Figure {
    /// A figure that stands alone.
    pub(crate) fn new(group: &str, name: impl Into<String>, ours: f64, unit: &str) -> Self {
        Self { group: group.into(), name: name.into(), ours, unit: unit.into(), beside: None, ratio: None }
    }

    /// A duration, shown in milliseconds.
    pub(crate) fn time(group: &str, name: impl Into<String>, ours: Duration) -> Self {
        Self::new(group, name, millis(ours), "ms")
    }

    /// Puts another value of the same unit beside it.
    pub(crate) fn beside(mut self, name: impl Into<String>, value: f64) -> Self {
        self.ratio = (value != 0.0).then_some(self.ours / value);
        self.beside = Some(Beside { name: name.into(), value });
        self
    }

    /// Says why a peer that belongs beside it was not measured.
    pub(crate) fn beside_nothing(mut self, peer: &str, why: &str) -> Self {
        self.beside = Some(Beside { name: format!("{peer} not measured: {why}"), value: f64::NAN });
        self
    }
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// Prints a table, or JSON.
pub(crate) fn print(figures: &[Figure], json: bool) {
    if json {
        println!("{}", serde_json::to_string_pretty(figures).unwrap_or_default());
        return;
    }
    println!("{:<52} {:>13}   {:<44} {:>8}", "our figure", "", "beside", "ratio");
    let mut group = "";
    for figure in figures {
        if figure.group != group {
            group = &figure.group;
            println!("{group}");
        }
        let beside = figure.beside.as_ref().map(|b| {
            if b.value.is_nan() {
                return b.name.clone();
            }
            let value = format!("{} {}", number(b.value), figure.unit);
            format!("{}: {}", value.trim_end(), b.name)
        });
        let ratio = figure.ratio.map(|r| format!("{r:.2}"));
        println!(
            "  {:<50} {:>8} {:<4}   {:<44} {:>8}",
            figure.name,
            number(figure.ours),
            figure.unit,
            beside.unwrap_or_default(),
            ratio.unwrap_or_default()
        );
    }
}

/// Three significant digits are enough for a shared machine.
fn number(value: f64) -> String {
    match value.abs() {
        v if v.is_nan() => "-".to_owned(),
        v if v == 0.0 || v >= 100.0 || v.fract() == 0.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
