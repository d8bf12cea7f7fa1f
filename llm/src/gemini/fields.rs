//! Every field of Gemini's request, and what becomes of it elsewhere.
use crate::chat::fields::Field;
pub const FIELDS: &[Field] = &[];
