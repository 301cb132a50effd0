pub mod address;
pub mod value;
