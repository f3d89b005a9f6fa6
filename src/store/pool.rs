//! Pools of connections. How one is opened stands in `connection`.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::r2d2::{ManageConnection, Pool, PooledConnection};

use super::connection::{Conn, Purpose, Target, connect};
use super::error::StoreError;

/// Opens and checks connections for a pool.
#[derive(Debug)]
pub(super) struct Opener {
    target: Target,
    purpose: Purpose,
}

impl ManageConnection for Opener {
    type Connection = Conn;
    type Error = StoreError;

    fn connect(&self) -> Result<Conn, StoreError> {
        connect(&self.target, self.purpose)
    }

    fn is_valid(&self, conn: &mut Conn) -> Result<(), StoreError> {
        Ok(conn.batch_execute("SELECT 1")?)
    }

    fn has_broken(&self, _conn: &mut Conn) -> bool {
        std::thread::panicking()
    }
}

pub(super) type Connections = Pool<Opener>;
pub(super) type Pooled = PooledConnection<Opener>;

/// A pool of up to `size` connections, of which one is opened now.
pub(super) fn pool(target: Target, purpose: Purpose, size: u32, wait: Duration) -> Result<Connections, StoreError> {
    let check = matches!(target, Target::Postgres(_));
    Pool::builder()
        .max_size(size.max(1))
        .min_idle(Some(1))
        .test_on_check_out(check)
        .connection_timeout(wait)
        .build(Opener { target, purpose })
        .map_err(|e| StoreError::Unavailable(e.to_string()))
}
