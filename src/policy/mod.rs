//! stub
use crate::domain::access::*;
use crate::domain::ids::*;
use std::collections::*;
#[derive(Debug)]
pub struct Policy;
pub struct Grants;
impl Grants {
    pub fn allows(&self, _: &Resource) -> bool {
        true
    }
}
impl Policy {
    pub fn closed() -> Self {
        Self
    }
    pub async fn build(_: &BTreeMap<ProjectName, AccessRules>) -> Result<Self, String> {
        Ok(Self)
    }
    pub fn authorize(&self, a: &Actor, p: Permission, r: &Resource) -> Result<Permit, Denied> {
        Ok(Permit::mint(a.clone(), p, r.clone()))
    }
    pub fn grants(&self, _: &Actor, _: Permission, _: &ProjectName) -> Grants {
        Grants
    }
    pub fn roles_of(&self, _: &Actor, _: &ProjectName) -> BTreeSet<RoleName> {
        BTreeSet::new()
    }
}
