//! One file a kind of object: its template, shaped like Stripe's published fixtures, and the calls on it.

pub(crate) mod charge;
pub(crate) mod customer;
pub(crate) mod dispute;
pub(crate) mod endpoint;
pub(crate) mod intent;
pub(crate) mod line;
pub(crate) mod product;
pub(crate) mod refund;
pub(crate) mod session;
pub(crate) mod warning;
