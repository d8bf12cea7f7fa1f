//! A stream while it is open.

use http_body_util::BodyExt;
use outrigger_sync::{FromGateway, FromOperator, Lines, Outcome, Unused};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout_at};

use super::dial::Open;
use super::trust::Authorities;
use super::{Ended, Operator};
use crate::intake::Intake;

/// Listens until it ends, and says what became of each policy, whichever way it came.
pub(super) async fn listen(
    open: Open,
    operator: &Operator,
    intake: &Intake,
    mut mounted: watch::Receiver<()>,
    heard: &mut bool,
) -> Ended {
    let Open { mouth, mut body, _tasks } = open;
    let pace = operator.pace;
    let mut beats = interval_at(Instant::now() + pace.beat, pace.beat);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut lines = Lines::default();
    let mut last = Instant::now();
    loop {
        let said = tokio::select! {
            frame = timeout_at(last + pace.silence, body.frame()) => {
                let frame = match frame {
                    Err(_) => return Ended::Silent { seconds: pace.silence.as_secs() },
                    Ok(None) => return Ended::Closed,
                    Ok(Some(Err(error))) => return Ended::Broken(error),
                    Ok(Some(Ok(frame))) => frame,
                };
                last = Instant::now();
                let Ok(bytes) = frame.into_data() else { continue };
                hear(&mut lines, &bytes, intake, heard, |outcome| mouth.say(&told(outcome, operator)))
            }
            Ok(()) = mounted.changed() => mouth.say(&told(intake.outcome(), operator)),
            _ = beats.tick() => mouth.say(&FromGateway::Beat(Unused {})),
        };
        if let Err(ended) = said {
            return ended;
        }
    }
}

/// Each kind of message goes to whom it concerns. The ledger's get their arm here.
fn hear(
    lines: &mut Lines,
    bytes: &[u8],
    intake: &Intake,
    heard: &mut bool,
    say: impl Fn(Outcome) -> Result<(), Ended>,
) -> Result<(), Ended> {
    lines.push(bytes)?;
    while let Some(message) = lines.from_operator()? {
        *heard = true;
        match message {
            FromOperator::Policy(policy) => say(intake.take(policy))?,
            FromOperator::Unreadable(rejection) => say(intake.refuse(rejection))?,
            FromOperator::Beat(_) | FromOperator::Unknown(_) => {}
        }
    }
    Ok(())
}

/// With the authorities as they are mounted now: the next connection trusts these.
fn told(outcome: Outcome, operator: &Operator) -> FromGateway {
    let authorities = Authorities::read(&operator.authorities).map(|found| found.fingerprints()).unwrap_or_default();
    FromGateway::Outcome(Outcome { authorities, ..outcome })
}
