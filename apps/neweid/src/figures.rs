//! Figures that a command prints: times, counts, rates.

use std::time::{Duration, Instant};

/// Named numbers in their order: for people each as it comes, for programs all at the end.
pub struct Report {
    json: bool,
    all: Vec<(String, f64)>,
}

impl Report {
    /// Nothing yet.
    pub const fn new(json: bool) -> Self {
        Self { json, all: Vec::new() }
    }

    /// A number.
    pub fn number(&mut self, name: &str, value: f64) {
        if !self.json {
            let text = if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.3}") };
            say!("  {name:<28}{text:>16}");
        }
        self.all.push((name.to_owned(), value));
    }

    /// The seconds since `began`.
    pub fn time(&mut self, name: &str, began: Instant) {
        self.number(&format!("{name}_seconds"), began.elapsed().as_secs_f64());
    }

    /// The seconds of this thread's processor time since `began`, of which others on the machine take nothing.
    pub fn work(&mut self, name: &str, began: Duration) {
        self.number(&format!("{name}_seconds"), (thread_time() - began).as_secs_f64());
    }

    /// How often something was done in a second.
    pub fn rate(&mut self, name: &str, count: usize, took: Duration) {
        self.number(name, (count as f64 / took.as_secs_f64().max(1e-9)).round());
    }

    /// Prints what programs are waiting for.
    pub fn finish(self) {
        if self.json {
            let all: serde_json::Map<_, _> = self.all.into_iter().map(|(k, v)| (k, v.into())).collect();
            say!("{:#}", serde_json::Value::Object(all));
        }
    }
}

/// How much processor time this thread has used, where the system tells (Linux); else nothing.
pub fn thread_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split_whitespace().next().and_then(|text| text.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}

/// How much processor time all threads of this process have used, where the system tells, in steps of ten milliseconds.
pub fn process_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name in parentheses: utime and stime are the twelfth and thirteenth field, in hundredths of a second.
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let ticks = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum::<u64>();
    Duration::from_millis(ticks * 10)
}
