//! A pair to a verdict with differences: pure, a function of two calls and the rules.
