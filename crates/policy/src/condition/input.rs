//! The variables of conditions, and the source of their values.

use super::failure::Stop;
use super::value::Value;

macro_rules! inputs {
    ($($input:ident $name:literal),+ $(,)?) => {
        /// A variable, as listed in [`crate::condition::variables::VARIABLES`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(clippy::enum_variant_names, reason = "one of the variables is called `input_tokens`")]
        pub(crate) enum ConditionInput {
            $($input),+
        }

        impl ConditionInput {
            pub(crate) const ALL: &'static [ConditionInput] = &[$(ConditionInput::$input),+];

            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(ConditionInput::$input => $name),+
                }
            }
        }
    };
}

inputs! {
    Model "model",
    Provider "provider",
    RequestType "request_type",
    Headers "headers",
    Params "params",
    KeyId "virtual_key_id",
    KeyName "virtual_key_name",
    TeamId "team_id",
    TeamName "team_name",
    CustomerId "customer_id",
    CustomerName "customer_name",
    KeyNamespace "virtual_key_namespace",
    Money "budget_used",
    Tokens "tokens_used",
    Requests "request",
    Session "session_used",
    InputTokens "input_tokens",
    Needs "needs",
    Labels "labels",
    Workload "workload",
    Now "now",
}

impl ConditionInput {
    pub(crate) fn named(name: &str) -> Option<ConditionInput> {
        Self::ALL.iter().copied().find(|input| input.name() == name)
    }
}

/// The values of one request. Only variables that a rule reads are computed.
pub(crate) trait ConditionInputs<'a> {
    /// # Errors
    /// It is unknown for this request, or larger than rules can read.
    fn read(&self, input: ConditionInput) -> Result<Value<'a>, Stop>;
}
