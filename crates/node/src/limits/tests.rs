use serde_json::{Value, json};

use super::*;

fn container(name: &str, resources: &Value) -> Value {
    json!({"name": name, "resources": resources})
}

fn limited(cpu: &str, memory: &str) -> Value {
    json!({"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": cpu, "memory": memory}})
}

#[test]
fn containers_become_settings() {
    let none = Settings { shares: 2, ..Settings::default() };
    let cases = [
        (json!({}), none),
        (json!({"requests": {"cpu": "1m"}}), none),
        (json!({"requests": {"cpu": "1500m"}}), Settings { shares: 1536, ..none }),
        (json!({"requests": {"cpu": "100000"}}), Settings { shares: 262_144, ..none }),
        (json!({"limits": {"cpu": "500m"}}), Settings { quota: Some(50_000), ..none }),
        // The kernel takes no less than a millisecond.
        (json!({"limits": {"cpu": "1m"}}), Settings { quota: Some(1000), ..none }),
        (json!({"limits": {"cpu": "0", "memory": "0"}}), none),
        (json!({"limits": {"memory": "1Ki"}}), Settings { memory: Some(1024), ..none }),
        (json!({"limits": {"memory": "100m"}}), Settings { memory: Some(1), ..none }),
    ];
    for (resources, expected) in cases {
        let parsed: ResourceRequirements = serde_json::from_value(resources.clone()).unwrap();
        assert_eq!(Settings::of_container(Some(&parsed)), expected, "{resources}");
    }
    assert_eq!(Settings::of_container(None), none);
}

#[test]
fn pods_are_limited_in_what_all_containers_are() {
    let check = |inits: &[Value], mains: &[Value]| {
        let spec = json!({"initContainers": inits, "containers": mains});
        let pod = Settings::of_pod(&serde_json::from_value(spec).unwrap());
        assert_eq!(pod.processes, Some(POD_PROCESSES_MAX));
        (pod.shares, pod.quota, pod.memory)
    };
    let (one, two) = (container("a", &limited("1", "1Gi")), container("b", &limited("2", "2Gi")));
    let free = container("f", &json!({}));
    let gib = 1 << 30;
    assert_eq!(check(&[], std::slice::from_ref(&free)), (2, None, None));
    assert_eq!(check(&[], &[one.clone(), two.clone()]), (3072, Some(300_000), Some(3 * gib)));
    // One that is free takes the limit from the pod, not from the other.
    assert_eq!(check(&[], &[one.clone(), free.clone()]), (1024, None, None));
    // Init containers run before the others, alone.
    assert_eq!(
        check(std::slice::from_ref(&two), std::slice::from_ref(&one)),
        (2048, Some(200_000), Some(2 * gib))
    );
    let mut sidecar = one.clone();
    sidecar["restartPolicy"] = json!("Always");
    assert_eq!(
        check(&[sidecar, two.clone()], std::slice::from_ref(&one)),
        (3072, Some(300_000), Some(3 * gib))
    );
}

#[test]
fn sums_end_at_the_largest_number() {
    let huge = |name: &str| container(name, &limited("9E", "9Ei"));
    let sidecar = |name: &str| {
        let mut container = huge(name);
        container["restartPolicy"] = json!("Always");
        container
    };
    for (what, inits, mains) in [
        ("mains", json!([]), json!([huge("a"), huge("b")])),
        ("an init beside a sidecar", json!([sidecar("a"), huge("b")]), json!([huge("c")])),
        ("sidecars", json!([sidecar("a"), sidecar("b")]), json!([huge("c")])),
    ] {
        let spec = json!({"initContainers": inits, "containers": mains});
        let spec: PodSpec = serde_json::from_value(spec).unwrap();
        assert_eq!(requested(&spec), (i64::MAX, i64::MAX), "{what}");
        let settings = Settings::of_pod(&spec);
        assert_eq!(settings.shares, 262_144, "{what}");
        assert_eq!(settings.memory, Some(i64::MAX), "{what}");
        assert!(settings.quota.is_some_and(|it| it > 0), "{what}");
    }
}

#[test]
fn weights_are_those_of_the_runtime() {
    for (shares, weight) in [(0, 1), (2, 1), (102, 4), (1024, 39), (262_144, 10_000)] {
        assert_eq!(Settings { shares, ..Settings::default() }.weight(), weight, "{shares}");
    }
}

#[test]
fn the_control_plane_is_killed_last() {
    let gib = 1 << 30;
    for base in [-500, 0, 200, 999, 1000] {
        let scale = OomScale::above(base);
        let of = |quality, request| scale.container(quality, (request, 10 * gib));
        let order = [
            base.max(0),
            scale.agent(),
            of(Quality::Guaranteed, gib),
            of(Quality::Burstable, 20 * gib),
            of(Quality::Burstable, 5 * gib),
            of(Quality::Burstable, gib),
            of(Quality::Burstable, 0),
            of(Quality::BestEffort, 0),
        ];
        assert!(order.is_sorted(), "{order:?}");
        assert_eq!(order[7], 1000);
        if base < 990 {
            assert!(order[0] < order[1] && order[1] < order[2] && order[2] < order[3], "{order:?}");
        }
    }
    let usual = OomScale::above(0);
    // A tenth of the machine requested is 900, as the kubelet has it.
    assert_eq!(usual.container(Quality::Burstable, (gib, 10 * gib)), 900);
    assert_eq!(usual.container(Quality::Burstable, (0, 10 * gib)), 999);
    assert_eq!(usual.container(Quality::Guaranteed, (gib, 10 * gib)), 200);
    assert_eq!(usual.container(Quality::Burstable, (0, 0)), 999);
}

#[test]
fn processes_leave_room_for_the_control_plane() {
    for (user, threads, container, namespace) in [
        (Some(4000), 100_000, 1000, 3000),
        (None, 8000, 1000, 3000),
        (Some(1_000_000), 8000, 1000, 3000),
        (Some(0), 8000, 0, 0),
    ] {
        let expected = Processes { container, namespace };
        assert_eq!(Processes::of(user, threads), expected, "{user:?}");
    }
}
