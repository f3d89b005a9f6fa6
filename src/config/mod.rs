//! Settings: one struct an area; the only place that reads the environment.
