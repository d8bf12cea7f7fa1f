//! The remaining budget for the rules of a request.

use super::bounds::{REQUEST_BYTES, REQUEST_STEPS, RULE_BYTES, RULE_STEPS};
use super::failure::Stop;

/// Steps and bytes that all conditions of a request share, and the part that the current condition may use.
#[derive(Clone, Debug)]
pub(crate) struct EvaluationBudget {
    /// The remaining steps of all conditions.
    steps: u32,
    bytes: u32,
    /// The remaining steps of the current condition; never more than those of all.
    own_steps: u32,
    own_bytes: u32,
}

impl EvaluationBudget {
    pub(crate) fn of_a_request() -> Self {
        EvaluationBudget { steps: REQUEST_STEPS, bytes: REQUEST_BYTES, own_steps: 0, own_bytes: 0 }
    }

    /// Begins the next condition.
    pub(crate) fn begin(&mut self) {
        self.own_steps = self.steps.min(RULE_STEPS);
        self.own_bytes = self.bytes.min(RULE_BYTES);
    }

    /// Ends a condition. Its use counts for all conditions. Returns whether the shared budget is used up, and not only
    /// its own.
    pub(crate) fn end(&mut self) -> bool {
        let (steps, bytes) = (self.steps.min(RULE_STEPS), self.bytes.min(RULE_BYTES));
        self.steps -= steps - self.own_steps;
        self.bytes -= bytes - self.own_bytes;
        steps < RULE_STEPS || bytes < RULE_BYTES
    }

    /// The steps taken since [`EvaluationBudget::of_a_request`].
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

    /// Must be called before the allocation.
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

    /// The use since [`EvaluationBudget::begin`], in steps and bytes.
    #[cfg(test)]
    pub(super) fn used(&self) -> (u32, u32) {
        (self.steps.min(RULE_STEPS) - self.own_steps, self.bytes.min(RULE_BYTES) - self.own_bytes)
    }
}
