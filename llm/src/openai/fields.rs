use crate::chat::fields::Field;

pub const FIELDS: &[Field] = &[];
