//! Who may do what: roles, members, and why a decision falls as it does.

use std::collections::BTreeSet;

use actix_web::http::StatusCode;
use askama::Template;

use crate::app::access::AccessView;
use crate::app::error::{AppError, AppResult, RefusalKind};
use crate::domain::access::{GrantEffect, Permission};
use crate::domain::ids::ProjectName;
use crate::web::call::Call;
use crate::web::chrome;
use crate::web::error::Answer;
use crate::web::page::{Chrome, render};

struct Project {
    name: String,
    revision: i64,
    may_edit: bool,
    roles: Vec<Role>,
}

struct Role {
    name: String,
    members: Vec<String>,
    lines: Vec<Line>,
}

struct Line {
    allow: bool,
    permissions: String,
    on: String,
    environment: Option<String>,
    number: u32,
}

struct Asked {
    who: String,
    permission: String,
    project: String,
    resource: String,
}

struct Why {
    allowed: bool,
    question: String,
    steps: Vec<String>,
}

struct Choice {
    value: String,
    on: bool,
}

#[derive(Template)]
#[template(path = "access.html")]
struct Access {
    chrome: Chrome,
    projects: Vec<Project>,
    may_explain: bool,
    asked: Asked,
    permissions: Vec<Choice>,
    explainable: Vec<Choice>,
    why: Option<Why>,
    message: Option<String>,
}

/// `GET /access`. The question lives in the address, so an answer can be sent to somebody.
pub async fn page(call: Call) -> Answer {
    let views = call.app.access_rules(call.actor()?).await?;
    let text = |name: &str| call.query(name).unwrap_or_default();
    let asked = Asked {
        who: text("who"),
        permission: text("permission"),
        project: text("project"),
        resource: text("resource"),
    };
    let (why, message) = match explain(&call, &asked).await {
        Ok(why) => (why, None),
        Err(AppError::Refused(refusal)) if refusal.kind != RefusalKind::Unauthenticated => {
            (None, Some(refusal.message.clone()))
        }
        Err(error) => return Err(error),
    };
    let page = Access {
        may_explain: views.iter().any(|v| v.may_explain),
        permissions: Permission::ALL
            .iter()
            .map(|p| Choice { value: p.to_string(), on: asked.permission == p.as_str() })
            .collect(),
        explainable: views
            .iter()
            .filter(|v| v.may_explain)
            .map(|v| Choice { value: v.project.to_string(), on: asked.project == v.project.as_str() })
            .collect(),
        projects: views.iter().map(project).collect(),
        asked,
        why,
        message,
        chrome: chrome::of(&call, "/access").await,
    };
    Ok(render(StatusCode::OK, &page))
}

async fn explain(call: &Call, asked: &Asked) -> AppResult<Option<Why>> {
    if asked.who.is_empty() {
        return Ok(None);
    }
    let permission = Permission::parse(&asked.permission)
        .ok_or_else(|| AppError::invalid("bad_permission", "Choose what they want to do."))?;
    let project = ProjectName::parse(&asked.project)?;
    let resource = asked.resource.trim();
    let found =
        call.app.explain_named(call.actor()?, &asked.who, Default::default(), permission, &project, resource).await?;
    Ok(Some(Why {
        allowed: found.allowed,
        question: format!("May {} {permission} {resource} in {project}?", asked.who),
        steps: found.steps.iter().map(|s| format!("{}.", s.trim_end_matches('.'))).collect(),
    }))
}

fn project(view: &AccessView) -> Project {
    let names: BTreeSet<_> = view.rules.roles.keys().chain(view.rules.members.keys()).collect();
    let role = |name: &&crate::domain::ids::RoleName| Role {
        name: name.to_string(),
        members: view.rules.members.get(*name).into_iter().flatten().map(ToString::to_string).collect(),
        lines: view
            .rules
            .roles
            .get(*name)
            .into_iter()
            .flatten()
            .map(|grant| Line {
                allow: grant.effect == GrantEffect::Allow,
                permissions: grant.permissions.iter().map(|p| p.as_str()).collect::<Vec<_>>().join(", "),
                on: grant.on.clone(),
                environment: grant.environment.as_ref().map(ToString::to_string),
                number: grant.line,
            })
            .collect(),
    };
    Project {
        name: view.project.to_string(),
        revision: view.revision,
        may_edit: view.may_edit,
        roles: names.iter().map(role).collect(),
    }
}
