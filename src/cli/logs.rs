//! The bucket that logs go to, as it is named on the command line and in the environment.

use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::config;
use crate::domain::archive::Place;
use crate::domain::time::Seconds;
use crate::store::bucket::{self, Bucket};

/// Options of every command that reads or moves logs.
#[derive(Debug, Clone, Args)]
pub(super) struct Options {
    /// A bucket for the output of ended runs, s3://BUCKET[/FOLDER]; its key in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY
    #[arg(long, global = true, value_name = "PLACE")]
    logs: Option<String>,
    /// The server of that bucket, where it is not Amazon's: https://HOST
    #[arg(long, global = true, value_name = "URL")]
    logs_endpoint: Option<String>,
    /// Authorities that are trusted for that server instead of the usual ones: certificates in PEM
    #[arg(long, global = true, value_name = "FILE")]
    logs_ca: Option<PathBuf>,
    /// The region of that bucket
    #[arg(long, global = true, value_name = "NAME", default_value = "us-east-1")]
    logs_region: String,
    /// How long output that is in the bucket stays on the local disk as well
    #[arg(long, global = true, value_name = "TIME", default_value = "7d")]
    logs_keep: String,
}

impl Options {
    /// The bucket, and how long logs stay here as well; `None` where no bucket is named.
    pub(super) fn bucket(&self) -> Result<Option<(Bucket, Seconds)>, Failure> {
        let Some(place) = &self.logs else {
            return match (&self.logs_endpoint, &self.logs_ca) {
                (Some(_), _) => Err(Failure::Usage("`--logs-endpoint` needs `--logs s3://BUCKET`".to_owned())),
                (None, Some(_)) => Err(Failure::Usage("`--logs-ca` needs `--logs s3://BUCKET`".to_owned())),
                (None, None) => Ok(None),
            };
        };
        let keep = Seconds::parse(&self.logs_keep)?;
        let key = config::bucket::key().map_err(Failure::Usage)?;
        let authorities = self.logs_ca.as_deref().map(|file| super::file_of("--logs-ca", file)).transpose()?;
        let bucket = Bucket::new(bucket::Options {
            place: Place::parse(place)?,
            endpoint: self.logs_endpoint.clone(),
            region: self.logs_region.clone(),
            key_id: key.id,
            secret: key.secret,
            session: key.session,
            authorities,
        });
        let bucket = bucket.map_err(|e| Failure::Usage(e.to_string()))?;
        Ok(Some((bucket, keep)))
    }
}
