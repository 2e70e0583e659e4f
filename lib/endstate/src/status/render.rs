//! The tree as text. Pure.

use endstate_core::{Condition, ConditionType, Truth};

use super::{Member, PodNode, Tree};

/// How the text is adorned.
///
/// ```
/// # use endstate::status::{Style, Tree, render};
/// fn of(tree: &Tree, terminal: bool) -> String {
///     render(tree, if terminal { Style::Coloured } else { Style::Plain })
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Letters only: for pipes and files.
    Plain,
    /// With ANSI colours: for terminals.
    Coloured,
}

#[derive(Clone, Copy)]
enum Colour {
    Good,
    Bad,
    Busy,
    Dim,
    Bold,
}

impl Style {
    fn paint(self, colour: Colour, text: &str) -> String {
        let code = match colour {
            Colour::Good => "32",
            Colour::Bad => "31",
            Colour::Busy => "33",
            Colour::Dim => "2",
            Colour::Bold => "1",
        };
        match self {
            Self::Plain => text.to_owned(),
            Self::Coloured => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }
}

/// The tree as lines of text, each ended by a newline.
///
/// ```
/// # use endstate::status::{Style, Tree, render};
/// fn lines(tree: &Tree) -> usize {
///     render(tree, Style::Plain).lines().count()
/// }
/// ```
#[must_use]
pub fn render(tree: &Tree, style: Style) -> String {
    let mut lines = vec![head(tree, style)];
    let widths = Widths::of(&tree.members);
    let waits = waits(tree, style);
    let last = tree.members.len().checked_sub(1).filter(|_| waits.is_empty());
    for (index, member) in tree.members.iter().enumerate() {
        let (branch, below) =
            if Some(index) == last { ("└─", "  ") } else { ("├─", "│ ") };
        lines.push(format!("{branch} {}", member_line(member, &widths, style)));
        let inner = member_details(member, style);
        lines.extend(inner.into_iter().map(|it| format!("{below} {it}")));
    }
    for (index, wait) in waits.iter().enumerate() {
        let branch = if index + 1 == waits.len() { "└─" } else { "├─" };
        lines.push(format!("{branch} {wait}"));
    }
    lines.into_iter().map(|it| format!("{}\n", it.trim_end())).collect()
}

fn head(tree: &Tree, style: Style) -> String {
    let colour = match tree.phase.as_str() {
        "Running" => Colour::Good,
        "Failed" => Colour::Bad,
        _ => Colour::Busy,
    };
    let name = style.paint(Colour::Bold, &format!("{}/{}", tree.namespace, tree.name));
    let mut text = format!(
        "{} {name}  {}  {} of {} members ready  {}",
        tree.application,
        style.paint(colour, &tree.phase),
        tree.ready,
        tree.size,
        tree.version
    );
    if let Some(endpoint) = &tree.endpoint {
        text += &format!("  {}", style.paint(Colour::Dim, endpoint));
    }
    text
}

/// The waits, and every condition that is not as it should be.
fn waits(tree: &Tree, style: Style) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    if !tree.is_current {
        let text = "waiting for the operator because it has not seen the latest spec; is it running? `endstate get pods -n endstate-system`";
        lines.push(style.paint(Colour::Busy, text));
    }
    lines.extend(tree.waiting.iter().map(|it| style.paint(Colour::Busy, it)));
    lines.extend(tree.conditions.iter().filter(|it| is_bad(it)).map(|it| {
        let text = format!("{}={:?}: {}", it.kind, it.status, it.message);
        style.paint(Colour::Bad, &text)
    }));
    if let Some(rescue) = &tree.rescue {
        lines.push(style.paint(Colour::Busy, &format!("{LOST}: {rescue}")));
    }
    let warned = tree.conditions.iter().filter(|it| it.reason == "AcceptedWithWarnings");
    lines.extend(warned.map(|it| style.paint(Colour::Busy, &format!("warning: {}", it.message))));
    lines
}

/// What happens to data of which too little is left.
const LOST: &str = "no member is started empty automatically, and no remaining data is removed";

/// Whether a condition is worth a line: not one that is as it should be, nor one that only says that it is too early to
/// tell.
fn is_bad(it: &Condition) -> bool {
    let early = it.status == Truth::Unknown || it.reason == "NotCreated";
    let halted = ["PlanRejected", "NameTaken"].contains(&it.reason.as_str());
    halted || (!is_good(it) && !early)
}

fn is_good(it: &Condition) -> bool {
    use ConditionType::{Available, Degraded, Progressing, QuorumLost, SpecAccepted};
    match it.kind {
        Available | SpecAccepted => it.status == Truth::True,
        Degraded | QuorumLost => it.status == Truth::False,
        Progressing => true,
    }
}

/// The widths of the columns, so that members line up.
struct Widths {
    name: usize,
    role: usize,
}

impl Widths {
    fn of(members: &[Member]) -> Self {
        let most = |length: fn(&Member) -> usize| members.iter().map(length).max().unwrap_or(0);
        Self { name: most(|it| it.name.len()), role: most(|it| it.role.len()) }
    }
}

fn member_line(member: &Member, widths: &Widths, style: Style) -> String {
    let (colour, health) = match (member.healthy, member.role.as_str()) {
        (true, _) => (Colour::Good, "healthy"),
        (false, "leaving") => (Colour::Busy, "stopping"),
        (false, _) => (Colour::Bad, "unhealthy"),
    };
    let name = format!("{:<width$}", member.name, width = widths.name);
    let mut text = format!(
        "{}  {:<width$}  {}",
        style.paint(Colour::Bold, &name),
        member.role,
        style.paint(colour, health),
        width = widths.role
    );
    if let Some(version) = &member.version {
        text += &format!("  {version}");
    }
    if let Some(position) = &member.position {
        text += &format!("  position {position}");
    }
    if let Some(lag) = member.lag.filter(|it| *it > 0) {
        text += &format!(" ({lag} behind)");
    }
    if let Some(bytes) = member.data_size.filter(|it| *it > 0) {
        text += &format!("  data {}", size(bytes));
    }
    if let Some(id) = &member.id {
        text += &format!("  {}", style.paint(Colour::Dim, &format!("id {id}")));
    }
    text
}

fn member_details(member: &Member, style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(trouble) = &member.trouble {
        lines.push(format!("└ {}", style.paint(Colour::Bad, trouble)));
    }
    match &member.pod {
        None => lines.push(format!("└ {}", style.paint(Colour::Dim, "no pod"))),
        Some(pod) => {
            lines.push(format!("└ {}", pod_line(pod, style)));
            let last = pod.volumes.len();
            lines.extend(pod.volumes.iter().zip(1..).map(|(it, number)| {
                let size = it.size.as_ref().map(|it| format!("  {it}")).unwrap_or_default();
                let text = format!("{}  {}{size}  {}", it.name, it.kind, it.path);
                let branch = if number == last { "└" } else { "├" };
                format!("  {branch} volume {}", style.paint(Colour::Dim, &text))
            }));
        }
    }
    lines
}

fn pod_line(pod: &PodNode, style: Style) -> String {
    let (colour, ready) =
        if pod.ready { (Colour::Good, "ready") } else { (Colour::Busy, "not ready") };
    let mut text = format!("pod {}, {}", pod.state, style.paint(colour, ready));
    if let Some(node) = &pod.node {
        text += &format!("  on {node}");
    }
    if let Some(address) = &pod.address {
        text += &format!("  {address}");
    }
    if pod.restarts > 0 {
        let times = if pod.restarts == 1 { "once" } else { &format!("{} times", pod.restarts) };
        text += &format!("  restarted {times}");
    }
    text
}

/// Bytes for people: three digits at most.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut whole = bytes;
    let mut unit = 0;
    let mut tenth = 0;
    while whole >= 1_024 && unit + 1 < UNITS.len() {
        tenth = whole % 1_024 * 10 / 1_024;
        whole /= 1_024;
        unit += 1;
    }
    match unit {
        0 => format!("{whole} B"),
        _ if whole >= 100 => format!("{whole} {}", UNITS[unit]),
        _ => format!("{whole}.{tenth} {}", UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_have_at_most_three_digits_before_the_point() {
        for (bytes, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (20_480, "20.0 KiB"),
            (1_572_864, "1.5 MiB"),
            (2_147_483_648, "2.0 GiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
