//! Tables of the watch over abuse. Scores and features are floats here and nowhere else: no credits are
//! computed from them.

pub mod allowed;
pub mod appeals;
pub mod cases;
pub mod days;
pub mod former;
pub mod models;
pub mod origins;
pub mod pages;
pub mod settings;
pub mod snapshots;
pub mod snoozes;
pub mod watchers;
