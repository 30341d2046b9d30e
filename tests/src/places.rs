//! Names of the places where `scrip-under-test` can be told to die.

use scrip::Place;

pub const PLACES: [(&str, Place); 5] = [
    ("before_fence", Place::BeforeFence),
    ("after_fence", Place::AfterFence),
    ("before_commit", Place::BeforeCommit),
    ("after_commit", Place::AfterCommit),
    ("in_projections", Place::InProjections),
];
