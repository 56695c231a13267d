//! SWIM: detection time, load, completeness, accuracy, infection, and the loss test.

mod accuracy;
mod infection;
mod load;
mod time;

use super::PapersError;
use super::lab::Lab;
use super::sheet::Sheet;

/// Length of a protocol period in the scenarios, as in the paper.
const PERIOD: f64 = 2.0;

/// Runs everything.
pub(super) fn reproduce(lab: &Lab<'_>) -> Result<Sheet, PapersError> {
    let mut sheet = Sheet::new("swim", "SWIM (Das, Gupta, Motivala 2002), again");
    sheet.say(
        "The paper's protocol by settings: period T' = 2 s, one relay, no Lifeguard, no gossip besides what pings and acks \
         carry, no state exchange, no pings over streams (`scenarios/papers/swim*.toml`). What remains different: targets \
         come round robin in an order shuffled per round, which the paper has as an extension; suspicion cannot be \
         switched off, only made short; and a member that was declared failed refutes it and returns, while in the paper a \
         confirmation is final.",
    );
    time::section(lab, &mut sheet)?;
    load::section(lab, &mut sheet)?;
    accuracy::section(lab, &mut sheet)?;
    infection::section(lab, &mut sheet)?;
    accuracy::loss_test(lab, &mut sheet)?;
    Ok(sheet)
}

/// The exact mean of periods until the first of `n - 1` members, whose rings are shuffled independently, probes the
/// victim: `e / (e - 1)` for large `n`.
fn mean_periods(n: u32) -> f64 {
    let others = f64::from(n.saturating_sub(1).max(1));
    // The mean of a count from 1 is the sum of the chances that it exceeds 0, 1, 2, …
    (0..n).map(|done| libm::pow((1.0 - f64::from(done) / others).max(0.0), others)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_members_need_e_over_e_minus_one_periods() {
        assert!((mean_periods(2) - 1.0).abs() < 1e-12, "the only other one probes at once");
        assert!((mean_periods(3) - 1.25).abs() < 1e-12);
        let limit = libm::exp(1.0) / (libm::exp(1.0) - 1.0);
        assert!((mean_periods(100_000) - limit).abs() < 1e-4, "{}", mean_periods(100_000));
    }
}
