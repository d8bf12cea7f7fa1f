//! LiteLLM's config.yaml.

use super::Work;

pub(crate) fn import(_work: &mut Work<'_>) {}
