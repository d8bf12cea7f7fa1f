//! What is left of what a request's rules may cost.

use super::bounds::{REQUEST_BYTES, REQUEST_STEPS, RULE_BYTES, RULE_STEPS};
use super::failure::Stop;

/// Steps and bytes that all conditions of a request share, and of them what the one that is asked may use.
#[derive(Clone, Debug)]
pub(crate) struct EvaluationBudget {
    /// What is left for all.
    steps: u32,
    bytes: u32,
    /// What is left for this one; never more.
    own_steps: u32,
    own_bytes: u32,
}

impl EvaluationBudget {
    pub(crate) fn of_a_request() -> Self {
        EvaluationBudget { steps: REQUEST_STEPS, bytes: REQUEST_BYTES, own_steps: 0, own_bytes: 0 }
    }

    /// The next condition is asked.
    pub(crate) fn begin(&mut self) {
        self.own_steps = self.steps.min(RULE_STEPS);
        self.own_bytes = self.bytes.min(RULE_BYTES);
    }

    /// It was answered; what it used is gone for all. Whether all was used up, and not only its own.
    pub(crate) fn end(&mut self) -> bool {
        let (steps, bytes) = (self.steps.min(RULE_STEPS), self.bytes.min(RULE_BYTES));
        self.steps -= steps - self.own_steps;
        self.bytes -= bytes - self.own_bytes;
        steps < RULE_STEPS || bytes < RULE_BYTES
    }

    /// Steps that were taken since [`EvaluationBudget::of_a_request`].
    pub(crate) fn taken(&self) -> u64 {
        u64::from(REQUEST_STEPS - self.steps)
    }

    #[inline]
    pub(super) fn step(&mut self, steps: u32) -> Result<(), Stop> {
        match self.own_steps.checked_sub(steps) {
            Some(left) => {
                self.own_steps = left;
                Ok(())
            }
            None => {
                self.own_steps = 0;
                Err(Stop::Steps)
            }
        }
    }

    /// Before it is allocated.
    #[inline]
    pub(super) fn bytes(&mut self, bytes: u32) -> Result<(), Stop> {
        match self.own_bytes.checked_sub(bytes) {
            Some(left) => {
                self.own_bytes = left;
                Ok(())
            }
            None => Err(Stop::Bytes),
        }
    }

    /// What was used since [`EvaluationBudget::begin`], in steps and bytes.
    #[cfg(test)]
    pub(super) fn used(&self) -> (u32, u32) {
        (self.steps.min(RULE_STEPS) - self.own_steps, self.bytes.min(RULE_BYTES) - self.own_bytes)
    }
}
