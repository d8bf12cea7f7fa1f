use crate::chat::{Object, Request};
use crate::{EncodedRequest, RequestError};

pub fn decode(_body: &Object) -> Result<Request, RequestError> {
    Ok(Request::default())
}

pub fn encode(_request: &Request, _model: &str) -> Result<EncodedRequest, RequestError> {
    Ok(EncodedRequest { body: Object::new(), left_out: Vec::new() })
}
