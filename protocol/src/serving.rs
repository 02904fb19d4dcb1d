//! How a job serves HTTP, in numbers, as the verbs and a daemon say it.

use serde::{Deserialize, Serialize};

/// Requests of HTTP: of one attempt, or of a job since the daemon knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Requests {
    /// Requests that have ended.
    pub total: u64,
    /// Requests a second over the last ten, in thousandths.
    pub rate_milli: u64,
    /// Requests that have not ended.
    pub in_flight: u64,
    /// Requests that the guest failed, or that took too long.
    pub errors: u64,
    /// Half of the last ones took so many microseconds at the most. Null: none has ended.
    pub p50_us: Option<u64>,
    /// 99 of 100 of the last ones took so many microseconds at the most. Null: none has ended.
    pub p99_us: Option<u64>,
}

/// How a job serves HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Serving {
    /// `ADDRESS:PORT`, the port being the one that was really taken. Null: nothing of the job is up, and the port is closed.
    pub address: Option<String>,
    /// Those of all its attempts, since the daemon knows the job.
    pub requests: Requests,
    /// Answers since the daemon knows the job, by the first digit of their status: 1xx to 5xx.
    #[cfg_attr(feature = "openapi", schema(min_items = 5, max_items = 5))]
    pub by_status: [u64; 5],
    /// Connections that are open.
    pub connections: u64,
    /// Those of them that no worker has taken.
    pub waiting: u64,
    /// Connections that were answered 503 since no worker took them.
    pub overloaded: u64,
}
