//! Large bytes in object storage: S3 and what speaks like it, Google Cloud Storage, Azure.
//!
//! A database carries a checkpoint of some megabytes, and is slow and costly with one of gigabytes.
//! What lies here is named in the database as everything else is, before it is written and under a
//! name that is given once; an object is there whole or not at all.

use std::{ops::Range, sync::Arc, time::Duration};

use futures_util::stream::{self, Stream, StreamExt};
use object_store::{
    ClientConfigKey, Error, ObjectStore, ObjectStoreExt, PutPayload, RetryConfig, WriteMultipart,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    azure::{AzureConfigKey, MicrosoftAzureBuilder},
    gcp::{GoogleCloudStorageBuilder, GoogleConfigKey},
    path::Path,
};
use tgs_protocol::{code::Code, refusal::Refusal, store::StoreError, unit::ByteCount};
use url::Url;

/// Bytes of one request. S3 wants five mebibytes at least of each but the last.
const PART: usize = 8 << 20;
/// Parts on their way at the same time.
const AT_ONCE: usize = 4;
/// A request is tried for so long; with the last one it takes as long again.
const PATIENCE: Duration = Duration::from_secs(6);
/// A part takes no longer than this, also over a slow line.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);
const CONNECTION_LIMIT: Duration = Duration::from_secs(5);
/// Pauses before a part that is shorter than it was written is read again: some storage says that
/// it has an object before all of it can be read.
const UNTIL_WHOLE_MS: [u64; 4] = [50, 200, 800, 2_000];

/// A bucket, and where in it.
#[derive(Debug, Clone)]
pub(super) struct Objects {
    store: Arc<dyn ObjectStore>,
    folder: Path,
    /// What is smaller lies in the database.
    from: ByteCount,
    /// For messages.
    address: String,
    /// The variable that allows to do without TLS.
    allow_http: &'static str,
}

impl Objects {
    /// At an address such as `s3://bucket/folder`; who may go in stands in the variables that the
    /// tools of each provider use.
    ///
    /// # Errors
    /// `BadRequest` with what is wrong and what would be right.
    pub(super) fn at(address: &str, from: ByteCount) -> Result<Self, Refusal> {
        let refused = |why: String| {
            let message = format!(
                "read the setting objects: {why}; write s3://bucket/folder, gs://bucket/folder or \
                 az://container/folder, and say who may go in by the provider's variables \
                 (AWS_ACCESS_KEY_ID, GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_ACCOUNT_NAME, …)"
            );
            Refusal::new(Code::BadRequest, message)
        };
        let url = Url::parse(address).map_err(|error| refused(error.to_string()))?;
        if url.password().is_some() || !url.username().is_empty() {
            return Err(refused("it holds a name or a password".to_owned()));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(refused("it names no bucket".to_owned()));
        }
        let folder = Path::from_url_path(url.path()).map_err(|error| refused(error.to_string()))?;
        let retry = RetryConfig { retry_timeout: PATIENCE, ..RetryConfig::default() };
        let unbuilt = |error: Error| refused(error.to_string());
        let bucket = format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default());
        // The cryptography of everything else here: two in one process would end it.
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        let (store, allow_http): (Arc<dyn ObjectStore>, _) = match url.scheme() {
            "s3" => {
                let allow_http = "AWS_ALLOW_HTTP";
                let builder = AmazonS3Builder::from_env().with_url(bucket).with_retry(retry);
                let limited = limits(allow_http).fold(builder, |it, (key, value)| {
                    it.with_config(AmazonS3ConfigKey::Client(key), value)
                });
                (Arc::new(limited.build().map_err(unbuilt)?), allow_http)
            }
            "gs" => {
                let allow_http = "GOOGLE_ALLOW_HTTP";
                let builder = GoogleCloudStorageBuilder::from_env();
                let builder = builder.with_url(bucket).with_retry(retry);
                let limited = limits(allow_http).fold(builder, |it, (key, value)| {
                    it.with_config(GoogleConfigKey::Client(key), value)
                });
                (Arc::new(limited.build().map_err(unbuilt)?), allow_http)
            }
            "az" => {
                let allow_http = "AZURE_ALLOW_HTTP";
                let builder = MicrosoftAzureBuilder::from_env().with_url(bucket).with_retry(retry);
                let limited = limits(allow_http).fold(builder, |it, (key, value)| {
                    it.with_config(AzureConfigKey::Client(key), value)
                });
                (Arc::new(limited.build().map_err(unbuilt)?), allow_http)
            }
            other => return Err(refused(format!("`{other}` is no such storage"))),
        };
        Ok(Self { store, folder, from, address: address.to_owned(), allow_http })
    }

    /// Whether so many bytes belong here.
    pub(super) fn takes(&self, size: ByteCount) -> bool {
        size >= self.from
    }

    /// Whether it answers and lets us in.
    ///
    /// # Errors
    /// `CannotWrite` with what it says.
    pub(super) async fn check(&self) -> Result<(), StoreError> {
        let probe = self.folder.clone().join("probe");
        let put = self.store.put(&probe, PutPayload::from_static(b"tgs")).await;
        let gone = match put {
            Ok(_) => self.store.delete(&probe).await,
            Err(error) => Err(error),
        };
        gone.map_err(|error| {
            let message = format!(
                "open object storage at {}: it does not let this node write and remove there; \
                 look whether the bucket is there and whether the provider's variables are right \
                 ({}=true where it is reached without TLS)",
                self.address, self.allow_http
            );
            StoreError::because(Code::CannotWrite, message, error)
        })
    }

    /// Makes bytes durable under a name.
    pub(super) async fn put(
        &self,
        name: &str,
        parts: impl Iterator<Item = Result<impl AsRef<[u8]>, StoreError>>,
    ) -> Result<(), StoreError> {
        let failed = |error| self.failed("write bytes", error);
        let upload = self.store.put_multipart(&self.path(name)).await.map_err(failed)?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART);
        let written: Result<(), StoreError> = async {
            for part in parts {
                upload.wait_for_capacity(AT_ONCE).await.map_err(failed)?;
                upload.write(part?.as_ref());
            }
            Ok(())
        }
        .await;
        match written {
            Ok(()) => upload.finish().await.map(|_| ()).map_err(failed),
            Err(error) => {
                let _ = upload.abort().await;
                Err(error)
            }
        }
    }

    /// The bytes of a name in order, part by part; a part that is gone is empty.
    pub(super) fn parts(
        &self,
        name: &str,
        size: ByteCount,
    ) -> impl Stream<Item = Result<Vec<u8>, StoreError>> + use<> {
        let (objects, path) = (self.clone(), self.path(name));
        let reads = (0..size.get()).step_by(PART).map(move |from| {
            let (objects, path) = (objects.clone(), path.clone());
            async move { objects.part(&path, from..size.get().min(from + PART as u64)).await }
        });
        stream::iter(reads).buffered(AT_ONCE)
    }

    /// Some bytes of an object; none of them if it is gone.
    async fn part(&self, path: &Path, place: Range<u64>) -> Result<Vec<u8>, StoreError> {
        let mut pauses = UNTIL_WHOLE_MS.into_iter().map(Duration::from_millis);
        loop {
            let read = match self.store.get_range(path, place.clone()).await {
                Ok(bytes) if bytes.len() as u64 == place.end - place.start => {
                    return Ok(bytes.to_vec());
                }
                Err(Error::NotFound { .. }) => return Ok(Vec::new()),
                read => read,
            };
            match (read, pauses.next()) {
                // Where nothing of it can be read yet, storage knows of no such place.
                (Ok(_) | Err(Error::Generic { .. }), Some(pause)) => {
                    tokio::time::sleep(pause).await;
                }
                (Ok(bytes), None) => return Ok(bytes.to_vec()),
                (Err(error), _) => return Err(self.failed("read bytes", error)),
            }
        }
    }

    /// Removes the bytes of a name; idempotent.
    pub(super) async fn remove(&self, name: &str) -> Result<(), StoreError> {
        match self.store.delete(&self.path(name)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("remove bytes", error)),
        }
    }

    fn path(&self, name: &str) -> Path {
        name.split('/').fold(self.folder.clone(), |path, part| path.join(part))
    }

    fn failed(&self, act: &str, error: Error) -> StoreError {
        match error {
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
                let message = format!(
                    "{act}: object storage at {} refuses this node; give it the right to read, \
                     write and remove there",
                    self.address
                );
                StoreError::because(Code::CannotWrite, message, error)
            }
            error => {
                let message = format!(
                    "{act}: object storage at {} does not answer as it should; look whether it can \
                     be reached and has room, then try again",
                    self.address
                );
                StoreError::because(Code::StoreSilent, message, error)
            }
        }
    }
}

/// What a client keeps to, whatever the provider's variables say of it: our limits of time. And it
/// speaks TLS, unless this one of them says otherwise.
fn limits(allow_http: &str) -> impl Iterator<Item = (ClientConfigKey, String)> + use<> {
    let seconds = |limit: Duration| format!("{}s", limit.as_secs());
    // Not what the library takes for granted, which differs between providers.
    let only_tls = (ClientConfigKey::AllowHttp, "false".to_owned());
    [
        (ClientConfigKey::Timeout, seconds(REQUEST_LIMIT)),
        (ClientConfigKey::ConnectTimeout, seconds(CONNECTION_LIMIT)),
    ]
    .into_iter()
    .chain(std::env::var_os(allow_http).is_none().then_some(only_tls))
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt;
    use object_store::memory::InMemory;

    use super::*;

    /// As a test server does that answers before it has written; and what stays short is given as
    /// it is, for its digest tells.
    #[tokio::test]
    async fn what_is_not_whole_yet_is_waited_for() {
        let store = Arc::new(InMemory::new());
        let (folder, from) = (Path::from("here"), ByteCount(0));
        let address = "s3://bucket/here".to_owned();
        let objects = Objects {
            store: Arc::clone(&store) as Arc<dyn ObjectStore>,
            folder,
            from,
            address,
            allow_http: "AWS_ALLOW_HTTP",
        };
        let whole: Vec<u8> = (0..=255).cycle().take(PART + 1_000).collect();
        let read = || objects.parts("name", ByteCount(whole.len() as u64)).try_concat();
        assert_eq!(read().await.expect("it is gone"), b"");
        for begun in [0, 100, PART, PART + 999] {
            let put = |bytes: &[u8]| {
                let (store, path) = (Arc::clone(&store), objects.path("name"));
                let bytes = PutPayload::from(bytes.to_vec());
                async move { store.put(&path, bytes).await.map(drop) }
            };
            put(&whole[..begun]).await.expect("is put");
            let rest = put(&whole);
            let ends = tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                rest.await.expect("is put");
            });
            assert!(read().await.expect("is read") == whole, "{begun} bytes were there");
            ends.await.expect("no panic");
        }
        store.put(&objects.path("name"), PutPayload::from(whole[..7].to_vec())).await.expect("put");
        let short = objects.part(&objects.path("name"), 0..9).await;
        assert_eq!(short.expect("is read"), whole[..7]);
    }

    #[test]
    fn addresses_that_cannot_be_meant_are_refused() {
        for (address, why) in [
            ("", "relative URL"),
            ("bucket/folder", "relative URL"),
            ("ftp://bucket/folder", "`ftp` is no such storage"),
            ("s3://", "no bucket"),
            ("s3://key:secret@bucket/folder", "holds a name or a password"),
        ] {
            let refused = Objects::at(address, ByteCount(0)).expect_err(address);
            assert!(refused.message.contains(why), "{address}: {}", refused.message);
            assert!(!refused.message.contains("secret@"), "{}", refused.message);
        }
    }
}
