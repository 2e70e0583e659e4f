//! What a plan waits for, and why that has not happened yet.

use std::fmt::{Display, Formatter, Result};

use jiff::Timestamp;

use super::causes;
use crate::consent::{CONSENT_ANNOTATION, Choice};
use crate::exit::Words;
use crate::id::{MemberName, Uid};
use crate::limits::STABLE_SECONDS;
use crate::request::ActionKey;
use crate::status::WaitRow;
use crate::waiting::{AppointmentLack, GivenUp, RecordLack, SourceLack, Waiting};

/// Why a certificate is not made.
const AUTHORITY_LOST: &str =
    "it is gone, or another than members trust: restore its secret from a backup";

impl Waiting {
    /// What it waits for.
    pub fn what(&self) -> String {
        match self {
            Self::ForSpec { .. } => "a valid spec".into(),
            Self::ForUnpause { .. } => "spec.paused to become false".into(),
            Self::ForVolume { member } => format!("a larger size, to move {member} to a volume"),
            Self::ForDeletion => "the owned objects to be deleted".into(),
            Self::ForPodList => "the list of pods".into(),
            Self::ForName { conflict } => format!("the name of {conflict} to be free"),
            Self::ForAuthority { certificate } => format!("the authority of secret {certificate}"),
            Self::ForCertificate { certificate, .. } => {
                format!("a certificate in secret {certificate} that can be used")
            }
            Self::ForFormation { .. } => "the initial members to form the cluster".into(),
            Self::ForMarks { .. } => "the pods of a quorum to be marked as started".into(),
            Self::ForMark { member } => format!("pod {member} to be marked as started"),
            Self::ForPod { member, .. } => format!("pod {member} to run"),
            Self::ForRoom { member } => format!("a node that takes the successor of {member}"),
            Self::ForMember { member, .. } => format!("member {member} to be healthy"),
            Self::ForRestart { member } => format!("member {member} to restart"),
            Self::ForCatchUp { member, .. } => format!("member {member} to catch up"),
            Self::ForSameHistory { member } => format!("member {member} to follow the leader"),
            Self::ForTask { request, member, .. } => format!("\"{request} {member}\" to finish"),
            Self::ForOperation { kind, name, .. } => format!("{kind} {name} to be complete"),
            Self::ForStage { .. } => "the next stage of the change".into(),
            Self::ForLeader => "a leader".into(),
            Self::ForAppointment { .. } => "a leader to be appointed".into(),
            Self::ForQuorum { .. } => "a quorum".into(),
            Self::ForAgreement { .. } => "the voters to agree on the list of members".into(),
            Self::ForConsent { .. } => "a decision about the lost data".into(),
            Self::ForRecovery { source, at, .. } => {
                format!("the recovery from {source} at {}", to_the_second(*at))
            }
            Self::ForSurvivor { member } => {
                format!("member {member} to report how far it is, or to be gone")
            }
            Self::ForSource { .. } => "another recovery source".into(),
            Self::ForRetry { at, .. } => format!("the next attempt at {}", to_the_second(*at)),
            Self::ForStability { member, .. } => format!("member {member} to be stable"),
            Self::ForGoodData { .. } => "a majority with good data".into(),
            Self::ForCulprit => "a decision about which data is wrong".into(),
            Self::ForAllClear { .. } => "the alarm about corrupt data to be cleared".into(),
            Self::ForRedundancy { member, .. } => format!("a safe moment to change {member}"),
            Self::ForStep { step, member, .. } => format!("a safe moment for \"{step} {member}\""),
            Self::ForRole { role, .. } => format!("the turn of role {role}"),
            Self::ForGroup { role, group, lost: true } => {
                format!("a decision about the lost data of group {group} of role {role}")
            }
            Self::ForGroup { role, group, .. } => {
                format!("a leader of group {group} of role {role}")
            }
            Self::ForRecord { lack: RecordLack::Pods, .. } => {
                "a decision about the lost status".into()
            }
            Self::ForRecord { .. } => "the members to say who they are".into(),
            Self::ForFormer { .. } => "the volumes to go on with".into(),
            Self::ForChoice { .. } => format!("a choice in the annotation {CONSENT_ANNOTATION}"),
            Self::ForIds { .. } => "an id for a new member".into(),
            Self::ForAddressee { request, member } => format!("a member to \"{request} {member}\""),
            Self::ForUnknownMember { member } | Self::ForVote { member } => {
                format!("a decision about member {member}")
            }
            Self::ForUser { .. } => "credentials for the operator".into(),
            Self::ForAnswer { action, .. } => format!("\"{action}\" to be accepted"),
        }
    }

    /// Why that has not happened yet.
    pub fn why(&self) -> String {
        match self {
            Self::ForSpec { problems } => causes::list(problems),
            Self::ForUnpause { withheld } => paused(withheld),
            Self::ForVolume { .. } => "its data would go with its pod".into(),
            Self::ForDeletion => "the object is being deleted".into(),
            Self::ForPodList => "it could not be read".into(),
            Self::ForName { conflict } => match &conflict.member {
                Some(member) => format!("it exists and has another owner, and {member} needs it"),
                None if conflict.is_request() => {
                    "it exists and has another owner: name another secret in spec.tls".into()
                }
                None => "it exists and has another owner: give the cluster another name".into(),
            },
            Self::ForAuthority { .. } => AUTHORITY_LOST.into(),
            Self::ForCertificate { fault, .. } => fault.to_string(),
            Self::ForFormation { started, of } => {
                format!("{started} of {of} have started and there is no leader yet")
            }
            Self::ForMarks { marked, needed } => format!("{marked} of {needed} are marked"),
            Self::ForMark { .. } => "its member gets a vote only after that".into(),
            Self::ForPod { cause, .. } | Self::ForMember { cause, .. } => cause.to_string(),
            Self::ForRoom { .. } => {
                "every node that it could be on is cordoned, tainted or not ready".into()
            }
            Self::ForRestart { .. } => "it has not reported the restart yet".into(),
            Self::ForCatchUp { behind, .. } => format!("it is about {behind} entries behind"),
            Self::ForSameHistory { .. } => "it has data that the leader does not have".into(),
            Self::ForTask { done, of, .. } => format!("{done} of {of} are done"),
            Self::ForOperation { doing, .. } => doing.clone(),
            Self::ForStage { lacks } => lacks.clone(),
            Self::ForLeader => "no member reports a leader".into(),
            Self::ForAppointment { lack } => lack.to_string(),
            Self::ForQuorum { healthy, needed } => {
                format!("{healthy} of the {needed} voters it needs are healthy")
            }
            Self::ForAgreement { agreed, needed } => {
                format!("{agreed} of the {needed} voters needed returned the same list")
            }
            Self::ForConsent { left, of, sources, given_up, lack } => {
                consent((*left, *of), (sources, given_up.as_ref()), lack.as_ref())
            }
            Self::ForRecovery { left, of, .. } => left_of(*left, *of),
            Self::ForSurvivor { .. } => {
                "without that nobody can be chosen who is known to have all that is left".into()
            }
            Self::ForSource { member, lack } => source(member, lack),
            Self::ForRetry { times, cause, .. } => retry(*times, cause),
            Self::ForStability { .. } => {
                format!("it has been back for less than {STABLE_SECONDS} seconds")
            }
            Self::ForGoodData { .. } | Self::ForCulprit | Self::ForAllClear { .. } => {
                corruption(self)
            }
            Self::ForRedundancy { shortage, .. }
            | Self::ForStep { shortage, .. }
            | Self::ForRole { shortage, .. } => shortage.to_string(),
            Self::ForGroup { lost: true, .. } => "the data of all its members is lost".into(),
            Self::ForGroup { .. } => "none of its members reports that it leads".into(),
            Self::ForRecord { pods, claims, lack } => record(*pods, *claims, *lack),
            Self::ForChoice { text } => choices(text),
            Self::ForFormer { clusters } => former(clusters),
            Self::ForIds { max } => format!("all ids up to {max} have been used"),
            Self::ForUser { action, hint } => user(action.as_ref(), hint),
            Self::ForUnknownMember { member } => stranger(member),
            Self::ForAddressee { .. } => "no member that is healthy can be asked".into(),
            Self::ForVote { .. } => "it is listed with a vote, and its role has none".into(),
            Self::ForAnswer { denial, .. } => denial.to_string(),
        }
    }

    /// One word, for programs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::ForSpec { .. } => "SpecRefused",
            Self::ForUnpause { .. } => "Paused",
            Self::ForVolume { .. } => "NoVolume",
            Self::ForDeletion => "Deleting",
            Self::ForPodList => "PodsUnknown",
            Self::ForName { .. } => "NameTaken",
            Self::ForAuthority { .. } => "AuthorityLost",
            Self::ForCertificate { .. } => "CertificateUnusable",
            Self::ForFormation { .. } => "Forming",
            Self::ForMarks { .. } | Self::ForMark { .. } => "PodNotMarked",
            Self::ForPod { .. } => "PodNotRunning",
            Self::ForRoom { .. } => "NoRoom",
            Self::ForMember { .. } => "MemberUnhealthy",
            Self::ForRestart { .. } => "MemberRestarting",
            Self::ForCatchUp { .. } => "MemberBehind",
            Self::ForSameHistory { .. } => "MemberDiverged",
            Self::ForTask { .. } => "TaskRunning",
            Self::ForOperation { .. } => "OperationRunning",
            Self::ForStage { .. } => "ChangeInStages",
            Self::ForLeader => "NoLeader",
            Self::ForAppointment { lack: AppointmentLack::Rivals { .. } } => "TwoLeaders",
            Self::ForAppointment { .. } => "NoAppointment",
            Self::ForQuorum { .. } => "NoQuorum",
            Self::ForAgreement { .. } => "NoAgreement",
            Self::ForConsent { .. } => "DataLost",
            Self::ForRecovery { .. } => "RecoveryDue",
            Self::ForSurvivor { .. } => "SurvivorSilent",
            Self::ForSource { .. } => "SourceRefused",
            Self::ForRetry { .. } => "BackOff",
            Self::ForStability { .. } => "MemberNotStable",
            Self::ForGoodData { .. } => "DataCorrupt",
            Self::ForCulprit => "DataDiffers",
            Self::ForAllClear { .. } => "AlarmActive",
            Self::ForRedundancy { .. } => "TooFewMembers",
            Self::ForStep { .. } => "StepPutOff",
            Self::ForRole { .. } => "RoleNotReady",
            Self::ForGroup { lost: true, .. } => "GroupLost",
            Self::ForGroup { .. } => "NoGroupLeader",
            Self::ForRecord { .. } => "RecordLost",
            Self::ForChoice { .. } => "ChoiceUnknown",
            Self::ForFormer { .. } => "NothingToAdopt",
            Self::ForIds { .. } => "IdsExhausted",
            Self::ForUnknownMember { .. } => "UnknownMember",
            Self::ForVote { .. } => "UnwantedVote",
            Self::ForAddressee { .. } => "NobodyToAsk",
            Self::ForUser { .. } => "CredentialsNeeded",
            Self::ForAnswer { .. } => "ActionRefused",
        }
    }
}

/// What is withheld, and no more of it than somebody reads.
fn paused(withheld: &[ActionKey]) -> String {
    let shown: Vec<_> = withheld.iter().take(3).map(ToString::to_string).collect();
    let more = match withheld.len().saturating_sub(3) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    match shown.is_empty() {
        true => "the cluster is paused, and nothing is to be done".into(),
        false => format!("the cluster is paused; withheld: {}{more}", shown.join(", ")),
    }
}

fn source(member: &MemberName, lack: &SourceLack) -> String {
    let choice = Choice::RecoverFrom(member.clone());
    format!("the annotation {CONSENT_ANNOTATION} says \"{choice}\", but {lack}")
}

fn former(clusters: &[Uid]) -> String {
    if clusters.is_empty() {
        return "no cluster of this name left any: take the annotation away to start without"
            .into();
    }
    let all: Vec<_> = clusters.iter().map(|it| it.as_str()).collect();
    let way_out = Choice::Adopt(clusters.first().cloned()).asked_for("to name one");
    format!("clusters of this name with the uids {} left some; {way_out}", all.join(", "))
}

fn choices(text: &Words) -> String {
    let all = Choice::ALL.map(|it| format!("\"{it}\""));
    format!("it says \"{text}\", and the choices are: {}", all.join(", "))
}

fn stranger(member: &MemberName) -> String {
    let way_out = Choice::Remove(member.clone()).asked_for("to take it off the list");
    format!("it is listed, and the operator did not add it; {way_out}")
}

fn retry(times: u32, cause: &impl Display) -> String {
    match times {
        1 => format!("an attempt failed: {cause}"),
        _ => format!("{times} attempts failed in a row, the last with: {cause}"),
    }
}

/// What only a person can lead on of corrupt data.
fn corruption(wait: &Waiting) -> String {
    match wait {
        Waiting::ForGoodData { corrupt, good, of } => format!(
            "{corrupt} of {of} voters have corrupt data and {good} are healthy with good data"
        ),
        Waiting::ForCulprit => {
            let way_out = Choice::Replace("MEMBER".into())
                .asked_for("to have the member replaced whose data is wrong");
            format!("the data of the members differs, and nothing says whose is wrong; {way_out}")
        }
        Waiting::ForAllClear { person: false } => {
            "the member it names has left, and the data of all is compared before it is withdrawn"
                .into()
        }
        _ => {
            "the member it names has left, and the application restricts service until then".into()
        }
    }
}

fn record(pods: usize, claims: usize, lack: RecordLack) -> String {
    let claims = if claims == 0 { String::new() } else { format!(", {claims} volume claims") };
    let there = format!("there are {pods} member pods{claims} and no record of a cluster");
    let why = match lack {
        RecordLack::Pods => Choice::Resume.asked_for("to start the members of these volumes"),
        RecordLack::NoQuorum => "it is made again when a majority of the members answers".into(),
        RecordLack::NoMarks => "it is made again when they are marked as started".into(),
        RecordLack::NoSpec => "it cannot be made again: no pod says what it was made from".into(),
        RecordLack::TwoClusters => {
            "it cannot be made again: they say that they belong to several clusters".into()
        }
        RecordLack::Groups => {
            "it cannot be made again: no list of members says who is in which group".into()
        }
    };
    format!("{there}; {why}")
}

fn left_of(left: usize, of: usize) -> String {
    format!("the data of {left} of {of} voters is left, which is not a majority")
}

fn consent(
    (left, of): (usize, usize),
    (sources, given_up): (&[MemberName], Option<&GivenUp>),
    lack: Option<&SourceLack>,
) -> String {
    let lost = left_of(left, of);
    if sources.is_empty() {
        return match lack {
            Some(SourceLack::Impossible) => format!(
                "{lost}, and the application cannot be recovered from one member: restore a backup into another cluster"
            ),
            Some(SourceLack::Corrupt) => format!(
                "{lost}, and the application reports that all of it is corrupt: restore a backup into another cluster"
            ),
            Some(SourceLack::Forbidden) => format!("{lost}, and {}", causes::FORBIDDEN),
            _ => lost,
        };
    }
    let names: Vec<_> = sources.iter().map(|it| it.as_str()).collect();
    let known = given_up.map(|it| format!(" (at least {it})")).unwrap_or_default();
    let names = names.join(" or ");
    let to = format!("to go on from {names} and give up what only the lost members had{known}");
    format!("{lost}; {}", Choice::RecoverFrom(sources[0].clone()).asked_for(&to))
}

/// A time to the second, as Kubernetes writes it.
fn to_the_second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl Display for Waiting {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        WaitRow::from(self).fmt(f)
    }
}

impl From<&Waiting> for WaitRow {
    fn from(wait: &Waiting) -> Self {
        Self { what: wait.what(), because: wait.why() }
    }
}

/// What is refused because the operator has no user.
fn user(action: Option<&ActionKey>, hint: &str) -> String {
    match action {
        None => format!("members require authentication: {hint}"),
        Some(action) => format!("\"{action}\" is refused without authentication: {hint}"),
    }
}
