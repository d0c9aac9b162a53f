//! Stores that refuse, fail, change, lie or say nothing: an error in bounded time that says what to do, and never a mix.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use almoner_engine::ObjectStoreAccess;
use almoner_federation::Manifest;

use super::same::write_parquet;
use super::server::{BUCKET, KEY, KEY_ID, Reply, Server, open, refusal, refused, unconditional};
use crate::common::{csv, folder, manifest, manifest_of, plan};

const ROWS: [&str; 2] = ["1,f,3,1,1,t,2000-01-01", "2,m,3,1,1,t,2000-01-01"];

async fn server() -> Server {
    let folder = folder(&[("people/0.csv", &csv(ROWS)), ("people/1.csv", &csv(ROWS))]);
    Server::start(folder.path(), "a").await
}

fn listing(contents: &str) -> Reply {
    Reply::Whole(200, Vec::new(), format!("<ListBucketResult>{contents}</ListBucketResult>").into_bytes())
}

fn listed(key: &str, e_tag: &str) -> String {
    format!(
        "<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>{e_tag}</ETag>\
         <Size>70</Size></Contents>"
    )
}

#[tokio::test]
async fn wrong_credentials_say_what_to_correct() {
    let (server, manifest) = (server().await, manifest(2, 2));
    let with = |credentials: &str| ObjectStoreAccess {
        credentials: Some(credentials.into()),
        ..server.access.clone()
    };
    for (credentials, said) in [
        (format!("AWS_ACCESS_KEY_ID={KEY_ID}\nAWS_SECRET_ACCESS_KEY=another"), "403 SignatureDoesNotMatch"),
        (format!("AWS_ACCESS_KEY_ID=another\nAWS_SECRET_ACCESS_KEY={KEY}"), "403 InvalidAccessKeyId"),
        (format!("AWS_ACCESS_KEY_ID={KEY_ID}"), "there is no key"),
        (format!("AWS_ACCESS_KEY_ID={KEY_ID}\n{KEY}"), "line 2"),
        (
            format!("AWS_ACCESS_KEY_ID={KEY_ID}\nAWS_SECRET_ACCESS_KEY={KEY}\nPASSWORD=x"),
            "none of this store's",
        ),
        (String::new(), "there is no key"),
    ] {
        let error = refused(&with(&credentials), &manifest).await;
        assert!(error.contains(said), "{credentials}: {error}");
    }
    let elsewhere = ObjectStoreAccess { region: None, ..server.access.clone() };
    let error = refused(&elsewhere, &manifest).await;
    assert!(error.contains("is elsewhere") && error.contains("region"), "{error}");
    let dav = server.web_dav();
    let error = refused(&ObjectStoreAccess { credentials: None, ..dav.clone() }, &manifest).await;
    assert!(error.contains("does not accept the credentials (401"), "{error}");
    let basic = ObjectStoreAccess { credentials: Some("USER=node\nPASSWORD=p:w".into()), ..dav.clone() };
    assert!(open(&basic, &manifest).await.is_ok());
    let half = ObjectStoreAccess { credentials: Some("USER=node".into()), ..dav };
    assert!(refused(&half, &manifest).await.contains("not whole"));
}

#[tokio::test]
async fn refusals_say_what_to_do_and_are_not_repeated() {
    for (status, code, said) in [
        (403, "AccessDenied", "s3:ListBucket"),
        (404, "NoSuchBucket", "there is no such bucket"),
        (403, "RequestTimeTooSkewed", "clock"),
        (301, "PermanentRedirect", "redirects are not followed"),
        (400, "InvalidRequest", "400 InvalidRequest"),
        (418, "<script>", "(418)"),
    ] {
        let (server, manifest) = (server().await, manifest(2, 2));
        server.does(move |_| Some(refusal(status, code)));
        let error = server.refused(&manifest).await;
        assert!(error.contains(said) && error.contains("s3://lake/a"), "{status} {code}: {error}");
        assert_eq!(server.shelf.asked.lock().expect("no panic").len(), 1, "{error}");
    }
    let (server, manifest) = (server().await, manifest(2, 2));
    server.does(|request| request.is_read().then(|| refusal(403, "AccessDenied")));
    assert!(server.refused(&manifest).await.contains("s3:GetObject"));
    let mut wrong = server.access.clone();
    wrong.url = "s3://lakes/a".into();
    assert!(refused(&wrong, &manifest).await.contains("no such bucket"));
    wrong.url = format!("s3://{BUCKET}/nowhere");
    assert!(refused(&wrong, &manifest).await.contains("holds no data for table people"));
    wrong.endpoint = Some("http://localhost:1".into());
    let error = refused(&wrong, &manifest).await;
    assert!(error.contains("cannot be reached"), "{error}");
}

/// Whether the store keeps conditions or not, and whichever file it is.
#[tokio::test]
async fn what_changed_since_it_was_listed_is_refused() {
    let other = csv(["1,f,3,1,1,t,2000-01-01", "2,m,3,1,1,f,2000-01-01"]);
    let longer = csv(["1,f,3,1,1,t,2000-01-01", "2,m,3,1,1,t,2000-01-01", "3,m,3,1,1,t,2000-01-01"]);
    for keeps_conditions in [true, false] {
        for bytes in [other.clone(), longer.clone(), Vec::new()] {
            let (server, manifest) = (server().await, manifest(2, 2));
            let shelf = Arc::downgrade(&server.shelf);
            server.does(move |request| {
                let shelf = shelf.upgrade().filter(|_| request.is_read())?;
                if request.target.ends_with("1.csv") {
                    shelf.put("a/people/1.csv", &bytes);
                }
                (!keeps_conditions && !bytes.is_empty()).then(|| unconditional(&shelf, request))
            });
            let error = server.refused(&manifest).await;
            assert!(error.contains("a/people/1.csv: changed since it was listed"), "{error}");
        }
    }
    let (server, manifest) = (server().await, manifest(2, 2));
    let shelf = Arc::downgrade(&server.shelf);
    server.does(move |request| {
        let shelf = shelf.upgrade().filter(|_| request.is_read())?;
        shelf.objects.lock().expect("no panic").remove("a/people/1.csv");
        None
    });
    let error = server.refused(&manifest).await;
    assert!(error.contains("1.csv: is gone since it was listed"), "{error}");
}

/// What passes is asked for again, and not more than three times; what is read in the end is right.
#[tokio::test]
async fn a_store_that_fails_for_a_while_is_asked_again() {
    for times in [3, 4] {
        for cut in [false, true] {
            let (server, manifest) = (server().await, manifest(2, 2));
            let shelf = Arc::downgrade(&server.shelf);
            let mut left = times;
            server.does(move |request| {
                if left == 0 || !request.target.ends_with("1.csv") {
                    return None;
                }
                left -= 1;
                if !cut {
                    return Some(refusal(503, "SlowDown"));
                }
                let Reply::Whole(status, headers, body) = unconditional(&*shelf.upgrade()?, request) else {
                    panic!("the object is there")
                };
                let half = body.len() / 2;
                Some(Reply::Cut(status, headers, body, half))
            });
            if times == 3 {
                let source = server.open(&manifest).await.expect("the fourth time it is all right");
                let count = plan(&manifest, "SELECT COUNT(*) FROM people");
                assert_eq!(source.cells(&count).await.expect("answers").values, [4]);
            } else {
                let error = server.refused(&manifest).await;
                let said = if cut { "ended before its end" } else { "503 SlowDown" };
                assert!(error.contains(said) && error.contains("asked 4 times"), "{error}");
            }
            assert_eq!(server.reads(), 5, "one file at once, the other the fourth time");
        }
    }
}

/// Of a Parquet file some parts are read long after others, by several threads.
#[tokio::test]
async fn a_parquet_file_that_changes_fails_or_lies_is_refused() {
    let rows: Vec<String> = (0..4_000).map(|id| format!("{id},f,{},1,1,t,2000-01-01", id % 90)).collect();
    let (folder, manifest) = (folder(&[]), manifest_of_many());
    let path = folder.path().join("people.parquet");
    write_parquet(&path, &rows);
    let whole = std::fs::read(&path).expect("just written");
    let server = Server::start(folder.path(), "a").await;
    server.open(&manifest).await.unwrap_or_else(|error| panic!("{}", error.local_detail()));
    let all = server.reads();
    assert!(all > 100, "{all} requests for 80 row groups");
    for at in [1, 2, all / 2, all - 1] {
        for (changes, said) in [(true, "changed since it was listed"), (false, "403 AccessDenied")] {
            server.shelf.put("a/people.parquet", &whole);
            let (shelf, mut count) = (Arc::downgrade(&server.shelf), 0);
            server.does(move |request| {
                let shelf = shelf.upgrade().filter(|_| request.is_read())?;
                count += 1;
                if changes && count == at {
                    let mut other = shelf.objects.lock().expect("no panic")["a/people.parquet"].clone();
                    other[100] ^= 1;
                    shelf.put("a/people.parquet", &other);
                }
                (!changes && count >= at).then(|| refusal(403, "AccessDenied"))
            });
            let error = server.refused(&manifest).await;
            assert!(error.contains("s3://lake/a/people.parquet: ") && error.contains(said), "{at}: {error}");
        }
    }
    // Footers that say they are longer than the file, or than memory; a file without any; an empty one.
    server.does(|_| None);
    for bytes in [
        [&whole[..whole.len() - 8], &u32::MAX.to_le_bytes(), b"PAR1"].concat(),
        [&whole[..whole.len() - 8], &(whole.len() as u32).to_le_bytes(), b"PAR1"].concat(),
        whole[..whole.len() / 2].to_vec(),
        b"PAR1".to_vec(),
        Vec::new(),
    ] {
        server.shelf.put("a/people.parquet", &bytes);
        let error = server.refused(&manifest).await;
        assert!(error.contains("is no readable Parquet file"), "{error}");
    }
}

fn manifest_of_many() -> Manifest {
    manifest_of(
        2,
        "id",
        10_000,
        "name = \"people\"\nrows_per_unit = 1\ncolumn = [{ name = \"age\", type = \"integer\", min = 0, max = 120 }]\n",
    )
}

#[tokio::test]
async fn a_store_that_says_nothing_is_given_up() {
    for hangs_at_once in [true, false] {
        let (mut server, manifest) = (server().await, manifest(2, 2));
        server.access.timeout = Duration::from_millis(200);
        server.does(move |request| (hangs_at_once || request.is_read()).then_some(Reply::Hang));
        let begun = Instant::now();
        let error = server.refused(&manifest).await;
        assert!(error.contains("did not answer in time, asked 4 times"), "{error}");
        // Four times 0.2 s, and 1.75 s between.
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn answers_that_are_none_are_refused() {
    let whole = csv(ROWS);
    let range =
        |range: &str| vec![("content-range", range.to_owned()), ("etag", super::server::e_tag(&csv(ROWS)))];
    let size = whole.len();
    for (reply, said) in [
        (Reply::Whole(200, range("none"), whole.clone()), "cannot be used"),
        (Reply::Whole(206, vec![("etag", super::server::e_tag(&whole))], whole.clone()), "cannot be used"),
        (
            Reply::Whole(206, range(&format!("bytes 1-{}/{size}", size - 1)), whole[1..].to_vec()),
            "cannot be used",
        ),
        (
            Reply::Whole(206, range(&format!("bytes 0-{}/{size}", size - 1)), vec![b'x'; size + 1]),
            "more than was asked for",
        ),
        (
            Reply::Whole(206, range(&format!("bytes 0-{}/{size}", size - 1)), whole[1..].to_vec()),
            "ended before its end",
        ),
        (
            Reply::Whole(206, vec![("content-range", format!("bytes 0-{}/{size}", size - 1))], whole.clone()),
            "",
        ),
    ] {
        let (server, manifest) = (server().await, manifest(2, 2));
        let shown = format!("{reply:?}");
        server.does(move |request| request.is_read().then(|| reply.clone()));
        let error = server.refused(&manifest).await;
        assert!(error.contains(said) && error.contains("people/0.csv"), "{shown}: {error}");
    }
}

#[tokio::test]
async fn listings_that_could_miscount_are_refused() {
    let long = format!("a/people/{}.csv", "n".repeat(1_100));
    let bomb = format!("<X>{}</X>", "y".repeat(70 << 20));
    for (contents, said) in [
        (listed("a/people/../0.csv", "\"t\""), "cannot be a path"),
        (listed("a/people//0.csv", "\"t\""), "cannot be a path"),
        (listed("a/people/x&#10;.csv", "\"t\""), "cannot be a path"),
        (listed("other/secret.csv", "\"t\""), "not asked for"),
        (listed("a/people/x=1/0.csv", "\"t\""), "not asked for"),
        (listed("a/people.csv", "\"t\""), "not asked for"),
        (listed(&long, "\"t\""), "too long"),
        (listed("a/people/0.csv", "W/\"t\""), "no strong ETag"),
        (listed("a/people/0.csv", ""), "no strong ETag"),
        (listed("a/people/0.csv", "\"t\"").repeat(2), "was listed twice"),
        ("<Contents><Key>a/people/0.csv</Key></Contents>".into(), "cannot be used"),
        (
            format!("{}<NextContinuationToken>t</NextContinuationToken>", listed("a/people/0.txt", "\"t\"")),
            "again and again",
        ),
        ("<CommonPrefixes><Prefix>a/people/x=%FF/</Prefix></CommonPrefixes>".into(), "not UTF-8"),
        ("<CommonPrefixes><Prefix>a/people/x=%/</Prefix></CommonPrefixes>".into(), "hexadecimal"),
        ("<CommonPrefixes><Prefix>a/people/2024/</Prefix></CommonPrefixes>".into(), "not named column=value"),
        ("<CommonPrefixes><Prefix>a/people/_delta_log/</Prefix></CommonPrefixes>".into(), "Delta Lake"),
        ("<CommonPrefixes><Prefix>a/people/.hoodie/</Prefix></CommonPrefixes>".into(), "Hudi"),
        (listed("a/people/readme.txt", "\"t\""), "holds no *.csv"),
        (bomb, "longer than"),
    ] {
        let (server, manifest) = (server().await, manifest(2, 2));
        let shown: String = contents.chars().take(100).collect();
        server.does(move |request| {
            let inner = request.query.get("prefix").is_some_and(|prefix| prefix == "a/people/");
            let whole = request.query.get("max-keys").is_some_and(|most| most != "1");
            (inner && whole).then(|| listing(&contents))
        });
        let error = server.refused(&manifest).await;
        assert!(error.contains(said), "{shown}: {error}");
        assert_eq!(server.reads(), 0, "{error}");
    }
    // Names that are no UTF-8 at all, and folders without end.
    let (server, manifest) = (server().await, manifest(2, 2));
    server
        .does(|_| Some(Reply::Whole(200, Vec::new(), b"<ListBucketResult><Contents><Key>\xff\xfe".to_vec())));
    assert!(server.refused(&manifest).await.contains("cannot be used"));
    server.does(|request| {
        let prefix = request.query.get("prefix").filter(|prefix| prefix.ends_with('/'))?;
        Some(listing(&format!("<CommonPrefixes><Prefix>{prefix}x=1/</Prefix></CommonPrefixes>")))
    });
    assert!(server.refused(&manifest).await.contains("more than 8 folders deep"));
    // Ever more files, a page at a time.
    let mut number = 0;
    server.does(move |request| {
        let prefix = request.query.get("prefix").filter(|prefix| prefix.ends_with('/'))?;
        let page: String =
            (0..500).map(|own| listed(&format!("{prefix}{number}-{own}.csv"), "\"t\"")).collect();
        number += 1;
        Some(listing(&format!("{page}<NextContinuationToken>{number}</NextContinuationToken>")))
    });
    assert!(server.refused(&manifest).await.contains("more than 10000 files"));
    assert!(server.shelf.asked.lock().expect("no panic").len() < 100);
}

#[tokio::test]
async fn one_table_in_two_forms_is_refused() {
    let (server, manifest) = (server().await, manifest(2, 2));
    server.shelf.put("a/people.csv", &csv(ROWS));
    let error = server.refused(&manifest).await;
    assert!(error.contains("more than once: people.csv, people/"), "{error}");
    assert!(refused(&server.web_dav(), &manifest).await.contains("more than once: people.csv, people/"));
}

/// Console tools make such objects for folders.
#[tokio::test]
async fn empty_objects_that_stand_for_folders_are_no_files() {
    let (server, manifest) = (server().await, manifest(2, 2));
    for key in ["a/", "a/people/", "a/people/x=1/"] {
        server.shelf.put(key, b"");
    }
    server.shelf.put("a/people/x=1/0.csv", &csv(ROWS));
    let source = server.open(&manifest).await.unwrap_or_else(|error| panic!("{}", error.local_detail()));
    assert_eq!(source.report().tables[0].files, ["people/0.csv", "people/1.csv", "people/x=1/0.csv"]);
    assert!(source.report().tables[0].ignored_files.is_empty());
}

#[tokio::test]
async fn only_a_store_on_this_machine_needs_no_tls() {
    let (server, manifest) = (server().await, manifest(2, 2));
    let s3 = |url: &str, endpoint: Option<&str>| ObjectStoreAccess {
        url: url.into(),
        endpoint: endpoint.map(Into::into),
        region: None,
        ..server.access.clone()
    };
    for (url, endpoint, said) in [
        ("s3://lake/a", Some("http://192.0.2.1:9000"), "the way there is open"),
        ("s3://lake/a", Some("http://localhost.example"), "the way there is open"),
        ("http://dav.example/a", None, "the way there is open"),
        ("s3://lake/a", Some("https://u:a%2Fsecret+key@localhost"), "cannot be read"),
        ("s3://lake/a", Some("https://localhost/path"), "has a path"),
        ("s3://lake/a", Some("ftp://localhost"), "cannot be read"),
        ("s3://lake/a", None, "where the bucket is"),
        ("s3://u:a/secret+key@lake/a", Some("https://localhost"), "names no bucket"),
        ("s3:///a", Some("https://localhost"), "names no bucket"),
        ("s3://lake/a/../b", Some("https://localhost"), "cannot be one"),
        ("https://dav.example/a?key=a/secret+key", None, "cannot be read"),
        ("https://dav.example/a", Some("https://localhost"), "are for S3"),
        ("/data", None, "cannot be read"),
    ] {
        let error = refused(&s3(url, endpoint), &manifest).await;
        assert!(error.contains(said), "{url} {endpoint:?}: {error}");
    }
    for ca in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let access = ObjectStoreAccess { ca_pem: Some(ca.into()), ..server.access.clone() };
        let error = refused(&access, &manifest).await;
        assert!(error.contains("[objects]"), "{ca}: {error}");
    }
    assert_eq!(server.shelf.asked.lock().expect("no panic").len(), 0);
}

/// All requests go where node.toml says, and each but a listing names the state that it wants.
#[tokio::test]
async fn nothing_but_listings_and_reads_is_asked_for() {
    let (server, manifest) = (server().await, manifest(2, 2));
    server.open(&manifest).await.expect("the store is all right");
    let asked = server.shelf.asked.lock().expect("no panic");
    assert!(asked.iter().all(|request| request.method == "GET"));
    let read: BTreeSet<_> =
        asked.iter().filter(|request| request.is_read()).map(|request| &request.target).collect();
    assert_eq!(read.len(), 2);
}
