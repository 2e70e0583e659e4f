//! `endstate plan` and `endstate explain`: the operator says what it would do, and does nothing of it.

use std::time::{Duration, Instant};

use anyhow::Result;
use harness::{EtcdCluster, Up, example};

#[tokio::test]
async fn an_operator_says_what_it_would_do_and_does_nothing_of_it() -> Result<()> {
    let up = Up::with_operator(1, "etcd").await?;
    let cluster = EtcdCluster::apply(&up, "asked", 3).await?;
    cluster.settled(3).await?;
    let before = cluster.object().await?;
    let now = up.endstate(&["plan", "etcd", "asked"]).await?;
    assert!(now.ends_with("nothing to do\n"), "{now}");

    let file = tempfile::NamedTempFile::new()?;
    let path = file.path().to_string_lossy().into_owned();
    let planned = async |manifest: String| -> Result<String> {
        std::fs::write(&path, manifest)?;
        up.endstate(&["plan", "etcd", "asked", "-f", &path]).await
    };
    // Members that have just started are waited for.
    let end = Instant::now() + Duration::from_secs(60);
    let add = "next:\n  add non-voting member asked-";
    loop {
        let larger = planned(example("asked", 5)).await?;
        if larger.contains(add) {
            break;
        }
        assert!(larger.contains("to be stable") && Instant::now() < end, "{larger}");
    }
    let newer = planned(example("asked", 3).replace("3.5.16", "3.5.35")).await?;
    assert!(newer.contains("asked-") && newer.contains("restarts in place"), "{newer}");
    let illegal = planned(example("asked", 3).replace("3.5.16", "3.7.3")).await?;
    assert!(illegal.contains("spec:\n  refused: spec.version"), "{illegal}");

    let told = up.endstate(&["explain", "etcd", "asked"]).await?;
    let members = cluster.members().await?;
    let healthy = members.iter().all(|it| told.contains(&format!("{it}: healthy")));
    assert!(healthy && told.contains(" leads\n"), "{told}");
    let nobody = up.endstate(&["explain", "etcd", "nobody"]).await.unwrap_err().to_string();
    assert!(nobody.contains("no nobody in namespace default"), "{nobody}");
    let after = cluster.object().await?;
    assert_eq!(after.metadata.generation, before.metadata.generation, "the spec is as it was");
    assert_eq!(cluster.members().await?, members, "and so are the members");
    up.stop().await
}
