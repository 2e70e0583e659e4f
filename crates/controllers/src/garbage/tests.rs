use super::*;

fn object(uid: &str) -> Object {
    Object {
        resource: "configmaps".into(),
        namespace: Some("ns".into()),
        name: uid.into(),
        uid: uid.into(),
        resource_version: "1".into(),
    }
}

fn owner(uid: &str) -> Owner {
    Owner {
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        name: uid.into(),
        uid: uid.into(),
        is_controller: None,
        blocks: true,
    }
}

fn node(uid: &str, owners: &[&str]) -> Node {
    let owners = owners.iter().map(|it| owner(it)).collect();
    Node { object: object(uid), owners, finalizers: vec![], is_deleting: false }
}

fn deleting(node: Node, finalizer: &str) -> Node {
    Node { is_deleting: true, finalizers: vec![finalizer.into()], ..node }
}

fn graph(nodes: impl IntoIterator<Item = Node>) -> Graph {
    let mut graph = Graph::default();
    for node in nodes {
        graph.insert(node);
    }
    graph
}

fn absent(uids: &[&str]) -> Checked {
    uids.iter().map(|it| (Uid::from(*it), Presence::Absent)).collect()
}

#[test]
fn absence_is_proven_before_anything_is_deleted() {
    let graph = graph([node("child", &["gone"])]);
    let first = plan(&graph, &"child".into(), &Checked::new());
    assert_eq!((first.check.len(), first.actions.len()), (1, 0));
    let second = plan(&graph, &"child".into(), &absent(&["gone"]));
    assert_eq!(
        second.actions,
        [Action::Delete { object: object("child"), policy: Propagation::Background }]
    );
    let unknown = Checked::from([("gone".into(), Presence::Unknown)]);
    assert!(plan(&graph, &"child".into(), &unknown).actions.is_empty(), "unknown is not gone");
}

#[test]
fn an_owner_that_exists_holds_and_the_others_are_dropped() {
    let graph = graph([node("here", &[]), node("child", &["here", "gone"])]);
    let plan = plan(&graph, &"child".into(), &absent(&["gone"]));
    assert_eq!(
        plan.actions,
        [Action::SetOwners { object: object("child"), owners: vec![owner("here")] }]
    );
}

#[test]
fn an_owner_in_another_namespace_does_not_count() {
    let mut elsewhere = node("elsewhere", &[]);
    elsewhere.object.namespace = Some("other".into());
    let graph = graph([elsewhere, node("child", &["elsewhere"])]);
    assert_eq!(plan(&graph, &"child".into(), &Checked::new()).check, [owner("elsewhere")]);
}

#[test]
fn foreground_waits_for_blocking_dependents_only() {
    let mut child = node("child", &["parent"]);
    child.owners[0].blocks = false;
    let parent = deleting(node("parent", &[]), FOREGROUND);
    let free = graph([parent.clone(), child]);
    let wanted = Action::SetFinalizers { object: object("parent"), finalizers: vec![] };
    assert_eq!(plan(&free, &"parent".into(), &Checked::new()).actions, [wanted]);
    let blocked = graph([parent, node("child", &["parent"])]);
    let waits = plan(&blocked, &"parent".into(), &Checked::new());
    assert_eq!((waits.actions.len(), waits.visit), (0, vec!["child".into()]));
    let goes = plan(&blocked, &"child".into(), &Checked::new());
    assert_eq!(
        goes.actions,
        [Action::Delete { object: object("child"), policy: Propagation::Background }]
    );
}

#[test]
fn orphans_are_let_go_before_their_owner() {
    let graph = graph([deleting(node("parent", &[]), ORPHAN), node("child", &["parent"])]);
    let plan = plan(&graph, &"parent".into(), &Checked::new());
    assert_eq!(
        plan.actions,
        [
            Action::SetOwners { object: object("child"), owners: vec![] },
            Action::SetFinalizers { object: object("parent"), finalizers: vec![] },
        ]
    );
}

/// Applies plans to a graph until nothing changes, as the API server would; absent owners are found absent.
fn settle(graph: &mut Graph) {
    let mut queue: Vec<Uid> = graph.nodes().map(|it| it.object.uid.clone()).collect();
    queue.sort();
    for _ in 0..1_000 {
        let Some(uid) = queue.pop() else { return };
        let known: Checked = graph
            .nodes()
            .flat_map(|it| &it.owners)
            .filter(|it| graph.get(&it.uid).is_none())
            .map(|it| (it.uid.clone(), Presence::Absent))
            .collect();
        let plan = plan(graph, &uid, &known);
        queue.extend(plan.visit.into_iter().filter(|it| *it != uid));
        for action in plan.actions {
            queue.extend(apply(graph, action));
        }
    }
    panic!("it does not come to an end");
}

fn apply(graph: &mut Graph, action: Action) -> Vec<Uid> {
    type Change = Box<dyn Fn(&mut Node)>;
    let (object, change): (_, Change) = match action {
        Action::SetOwners { object, owners } => {
            (object, Box::new(move |it| it.owners.clone_from(&owners)))
        }
        Action::SetFinalizers { object, finalizers } => {
            (object, Box::new(move |it| it.finalizers.clone_from(&finalizers)))
        }
        Action::Delete { object, policy } => (
            object,
            Box::new(move |it| {
                it.is_deleting = true;
                if policy == Propagation::Foreground {
                    it.finalizers = vec![FOREGROUND.into()];
                }
            }),
        ),
    };
    let Some(mut node) = graph.get(&object.uid).cloned() else { return vec![] };
    change(&mut node);
    let mut visit = graph.insert(node.clone());
    visit.extend(graph.dependents(&object.uid).map(|it| it.object.uid.clone()).collect::<Vec<_>>());
    if node.is_deleting && node.finalizers.is_empty() {
        visit.extend(graph.remove(&object.uid));
    }
    visit
}

#[test]
fn trees_and_cycles_come_to_an_end() {
    let mut tree = graph([
        deleting(node("a", &[]), FOREGROUND),
        node("b", &["a"]),
        node("c", &["b"]),
        node("d", &["c", "a"]),
        node("other", &[]),
    ]);
    settle(&mut tree);
    assert_eq!(tree.nodes().map(|it| &*it.object.uid).collect::<Vec<_>>(), ["other"]);
    let mut cycle =
        graph([deleting(node("a", &["c"]), FOREGROUND), node("b", &["a"]), node("c", &["b"])]);
    settle(&mut cycle);
    assert!(cycle.is_empty());
}
