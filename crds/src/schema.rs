pub struct Finding; pub fn validate(){} pub fn with_defaults(){}
