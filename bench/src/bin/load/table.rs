//! The table in Markdown. Each figure is the median of the rounds.

use std::io::{self, Write};
use std::time::Duration;

use outrigger_bench::samples::{Samples, median};

use crate::round::{Round, Side};
use crate::scenario::Scenario;

pub const HEAD: &str = "\
| | direct p50 | p99 | via p50 | p99 | added p50 | p99 | gateway CPU |
|---|---|---|---|---|---|---|---|
";

/// The rows of a scenario. Times are in microseconds; `cpu` is the gateway's processor time for one request.
pub fn rows(out: &mut impl Write, scenario: &Scenario, rounds: &[Round], cpu: Duration) -> io::Result<()> {
    let cpu = format!("{:.0} µs", cpu.as_secs_f64() * 1e6);
    if !scenario.via.streams {
        return row(out, scenario.name, rounds, |side| &side.whole, &cpu);
    }
    row(out, &format!("{}: first token", scenario.name), rounds, |side| &side.first, &cpu)?;
    row(out, &format!("{}: a chunk", scenario.name), rounds, |side| &side.lag, "")
}

fn row(out: &mut impl Write, name: &str, rounds: &[Round], of: fn(&Side) -> &Samples, cpu: &str) -> io::Result<()> {
    let quantiles = |q: f64| {
        let direct = median(rounds.iter().map(|round| of(&round.direct).quantile(q)));
        let via = median(rounds.iter().map(|round| of(&round.via).quantile(q)));
        // The difference is taken within a round, where both sides share the same conditions.
        let added = median(rounds.iter().map(|round| of(&round.via).quantile(q) - of(&round.direct).quantile(q)));
        (direct, via, added)
    };
    let (middle, high) = (quantiles(0.5), quantiles(0.99));
    writeln!(
        out,
        "| {name} | {:.0} | {:.0} | {:.0} | {:.0} | **{:.0}** | {:.0} | {cpu} |",
        middle.0, high.0, middle.1, high.1, middle.2, high.2
    )
}
