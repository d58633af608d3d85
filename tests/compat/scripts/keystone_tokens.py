"""Real Keystone and this cloud read each other's tokens: the same keys, the same ids, tokens of every kind both ways.

usage: keystone_tokens.py FOLDER KEYS URL CA PASSWORD   (run in a virtual environment with Keystone)

Makes users, projects and the rest here over REST, the same with the same ids in a Keystone of its own (SQLite in FOLDER, in this
process, asked through its WSGI application), and the key repository KEYS is both's. Prints a line a kind and direction; ends with 1
when one is refused or says something else than it should.
"""

import datetime
import os
import subprocess
import sys
import uuid

import requests

FOLDER, KEYS, URL, CA, PASSWORD = sys.argv[1:6]
CONF = f"""
[DEFAULT]
log_file = {FOLDER}/keystone.log
[database]
connection = sqlite:///{FOLDER}/keystone.db
[token]
provider = fernet
expiration = 3600
[fernet_tokens]
key_repository = {KEYS}
max_active_keys = 10
[fernet_receipts]
key_repository = {KEYS}
[credential]
key_repository = {KEYS}
[auth]
methods = external,password,token,oauth1,mapped,application_credential,totp,openid
[cache]
enabled = false
"""


def start_keystone():
    os.makedirs(FOLDER, exist_ok=True)
    path = f"{FOLDER}/keystone.conf"
    with open(path, "w", encoding="utf-8") as file:
        file.write(CONF)
    manage = os.path.join(os.path.dirname(sys.executable), "keystone-manage")
    subprocess.run([manage, "--config-file", path, "db_sync"], check=True)
    bootstrap = ["bootstrap", "--bootstrap-password", "secret", "--bootstrap-region-id", "RegionOne"]
    subprocess.run([manage, "--config-file", path, *bootstrap], check=True, stderr=subprocess.DEVNULL)
    os.environ["OS_KEYSTONE_CONFIG_FILES"] = path
    os.environ["OS_KEYSTONE_CONFIG_DIR"] = FOLDER
    sys.argv = ["keystone"]
    from keystone.server.wsgi import initialize_public_application
    from werkzeug.test import Client

    return Client(initialize_public_application())


class Cloud:
    """This cloud, over REST."""

    def __init__(self):
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = CA
        scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
        self.admin = self.password("admin", PASSWORD, scope)

    def call(self, method, path, body=None, token=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if token != "":
            headers["X-Auth-Token"] = token or self.admin
        return self.session.request(method, URL + path, json=body, headers=headers, timeout=30)

    def make(self, kind, body, path=None, token=None):
        answer = self.call("POST", path or f"/{kind}s", {kind: body}, token)
        assert answer.status_code == 201, f"{kind}: {answer.status_code} {answer.text}"
        return answer.json()[kind]

    def put(self, path, body=None):
        answer = self.call("PUT", path, body)
        assert answer.status_code < 300, f"{path}: {answer.status_code} {answer.text}"

    def auth(self, identity, scope):
        body = {"auth": {"identity": identity}}
        if scope:
            body["auth"]["scope"] = scope
        answer = self.call("POST", "/auth/tokens", body, "")
        assert answer.status_code == 201, f"{identity} {scope}: {answer.status_code} {answer.text}"
        return answer.headers["X-Subject-Token"]

    def password(self, name, password, scope):
        user = {"name": name, "domain": {"id": "default"}, "password": password}
        return self.auth({"methods": ["password"], "password": {"user": user}}, scope)

    def rescope(self, token, scope):
        return self.auth({"methods": ["token"], "token": {"id": token}}, scope)

    def show(self, token):
        answer = self.call("GET", "/auth/tokens", X_Subject_Token=token)
        return answer.json().get("token") if answer.status_code == 200 else f"{answer.status_code} {answer.text}"


class Keystone:
    def __init__(self):
        self.client = start_keystone()
        from keystone.common import provider_api

        self.api = provider_api.ProviderAPIs
        user = {"name": "admin", "domain": {"id": "default"}, "password": "secret"}
        auth = {"identity": {"methods": ["password"], "password": {"user": user}}}
        auth["scope"] = {"project": {"name": "admin", "domain": {"id": "default"}}}
        answer = self.client.post("/v3/auth/tokens", json={"auth": auth})
        assert answer.status_code == 201, answer.text
        self.admin = answer.headers["X-Subject-Token"]

    def show(self, token):
        headers = {"X-Auth-Token": self.admin, "X-Subject-Token": token}
        answer = self.client.get("/v3/auth/tokens", headers=headers)
        return answer.json["token"] if answer.status_code == 200 else f"{answer.status_code} {answer.text}"

    def issue(self, user, methods, **more):
        # The provider wants a request around it.
        import flask
        from keystone.server.flask import application

        with flask.Flask("tokens").test_request_context("/"):
            end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=30)
            more.setdefault("expires_at", end.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
            return self.api.token_provider_api.issue_token(user, methods, **more).id


def furnish(cloud, keystone):
    """The same things with the same ids on both sides."""
    names = uuid.uuid4().hex[:8]
    things = {"domain": cloud.make("domain", {"name": f"d-{names}"})["id"]}
    things["project"] = cloud.make("project", {"name": f"p-{names}"})["id"]
    things["user"] = cloud.make("user", {"name": f"u-{names}", "password": "secret"})["id"]
    things["name"] = f"u-{names}"
    things["trustee"] = cloud.make("user", {"name": f"t-{names}", "password": "secret"})["id"]
    things["trustee_name"] = f"t-{names}"
    things["group"] = cloud.make("group", {"name": f"g-{names}"})["id"]
    role = cloud.call("GET", "/roles?name=reader").json()["roles"][0]["id"]
    role = cloud.make("role", {"name": f"r-{names}"})["id"] if not role else role
    user, project, domain, group = (things[name] for name in ("user", "project", "domain", "group"))
    cloud.put(f"/projects/{project}/users/{user}/roles/{role}")
    cloud.put(f"/domains/{domain}/users/{user}/roles/{role}")
    cloud.put(f"/system/users/{user}/roles/{role}")
    cloud.put(f"/projects/{project}/groups/{group}/roles/{role}")
    rules = [{"remote": [{"type": "u"}], "local": [{"user": {"name": "{0}"}}]}]
    cloud.put(f"/OS-FEDERATION/mappings/m-{names}", {"mapping": {"rules": rules}})
    cloud.put(f"/OS-FEDERATION/identity_providers/i-{names}", {"identity_provider": {"enabled": True, "domain_id": domain}})
    path = f"/OS-FEDERATION/identity_providers/i-{names}/protocols/openid"
    cloud.put(path, {"protocol": {"mapping_id": f"m-{names}"}})
    things.update(idp=f"i-{names}", role=role)
    own = cloud.password(things["name"], "secret", {"project": {"id": project}})
    body = {"trustor_user_id": user, "trustee_user_id": things["trustee"], "project_id": project, "impersonation": True}
    things["trust"] = cloud.make("trust", {**body, "roles": [{"id": role}]}, "/OS-TRUST/trusts", own)["id"]
    path = f"/users/{user}/application_credentials"
    credential = cloud.make("application_credential", {"name": "a", "secret": "robot", "roles": [{"id": role}]}, path, own)
    things["credential"] = credential["id"]

    api = keystone.api
    default = {"domain_id": "default", "enabled": True}
    api.resource_api.create_domain(domain, {"id": domain, "name": f"d-{names}", "enabled": True})
    api.resource_api.create_project(project, {"id": project, "name": f"p-{names}", **default})
    for kind in ("user", "trustee"):
        api.identity_api.driver.create_user(things[kind], {"id": things[kind], "name": f"{kind}-{names}", **default})
    api.identity_api.driver.create_group(group, {"id": group, "name": f"g-{names}", "domain_id": "default"})
    # Keystone's own roles have ids of its own: ours gets another name there.
    api.role_api.create_role(role, {"id": role, "name": f"reader-{names}"})
    api.assignment_api.create_grant(role, user_id=user, project_id=project)
    api.assignment_api.create_grant(role, user_id=user, domain_id=domain)
    api.assignment_api.create_system_grant_for_user(user, role)
    api.assignment_api.create_grant(role, group_id=group, project_id=project)
    api.federation_api.create_mapping(f"m-{names}", {"id": f"m-{names}", "rules": rules, "schema_version": "1.0"})
    api.federation_api.create_idp(f"i-{names}", {"enabled": True, "domain_id": domain})
    api.federation_api.create_protocol(f"i-{names}", "openid", {"mapping_id": f"m-{names}"})
    trust = {"id": things["trust"], "trustor_user_id": user, "trustee_user_id": things["trustee"], "project_id": project}
    trust.update(impersonation=True, expires_at=None, remaining_uses=None, allow_redelegation=False)
    things["trust_ref"] = api.trust_api.create_trust(things["trust"], trust, [{"id": role}])
    credential = {"id": things["credential"], "name": "a", "secret": "robot", "user_id": user, "project_id": project}
    credential.update(roles=[{"id": role}], unrestricted=False, expires_at=None, description=None)
    api.application_credential_api.create_application_credential(credential)
    return things


def tokens(cloud, keystone, things):
    """(kind, where it is shown, token) of every payload, made on either side."""
    user, project, domain = things["user"], things["project"], things["domain"]
    on_project, on_domain = {"project": {"id": project}}, {"domain": {"id": domain}}
    trust = {"OS-TRUST:trust": {"id": things["trust"]}}
    credential = {"id": things["credential"], "secret": "robot"}
    federated = {
        "user_id": user,
        "group_ids": [things["group"]],
        "OS-FEDERATION:identity_provider": things["idp"],
        "OS-FEDERATION:protocol": "openid",
    }
    by_keystone = {
        "unscoped": keystone.issue(user, ["password"]),
        "project": keystone.issue(user, ["password"], project_id=project),
        "domain": keystone.issue(user, ["password", "token"], domain_id=domain),
        "system": keystone.issue(user, ["password"], system="all"),
        "trust": keystone.issue(things["trustee"], ["password"], project_id=project, trust_id=things["trust"]),
        "application credential": keystone.issue(
            user, ["application_credential"], project_id=project, app_cred_id=things["credential"]
        ),
        "federated": keystone.issue(user, ["openid"], auth_context=federated),
        "federated project": keystone.issue(user, ["openid"], project_id=project, auth_context=federated),
        "federated domain": keystone.issue(user, ["openid"], domain_id=domain, auth_context=federated),
    }
    come = by_keystone["federated"]
    here = {
        "unscoped": cloud.password(things["name"], "secret", "unscoped"),
        "project": cloud.password(things["name"], "secret", on_project),
        "domain": cloud.password(things["name"], "secret", on_domain),
        "system": cloud.password(things["name"], "secret", {"system": {"all": True}}),
        "trust": cloud.password(things["trustee_name"], "secret", trust),
        "application credential": cloud.auth(
            {"methods": ["application_credential"], "application_credential": credential}, None
        ),
        "federated": cloud.rescope(come, "unscoped"),
        "federated project": cloud.rescope(come, on_project),
        "federated domain": cloud.rescope(come, on_domain),
    }
    for kind, token in by_keystone.items():
        yield "Keystone's", kind, token
    for kind, token in here.items():
        yield "ours", kind, token


def shape(token):
    """What both must say of a token."""
    if isinstance(token, str):
        return token
    federation = token["user"].get("OS-FEDERATION", {})
    return {
        "user": token["user"]["id"],
        "methods": sorted(token["methods"]),
        "project": token.get("project", {}).get("id"),
        "domain": token.get("domain", {}).get("id"),
        "system": token.get("system"),
        "roles": sorted(role["id"] for role in token.get("roles", [])),
        "trust": token.get("OS-TRUST:trust", {}).get("id"),
        "credential": token.get("application_credential", {}).get("id"),
        "idp": federation.get("identity_provider", {}).get("id"),
        "protocol": federation.get("protocol", {}).get("id"),
        "groups": [group["id"] for group in federation.get("groups", [])],
        "audit_ids": token["audit_ids"],
        # Keystone reads whole seconds from a token.
        "expires_at": token["expires_at"][:19],
    }


def main():
    keystone, cloud = Keystone(), Cloud()
    things = furnish(cloud, keystone)
    wrong = 0
    for maker, kind, token in tokens(cloud, keystone, things):
        there, here = shape(keystone.show(token)), shape(cloud.show(token))
        same = there == here and isinstance(here, dict)
        wrong += not same
        print(f"{maker} {kind}: {'the same on both sides' if same else 'DIFFERENT'}")
        if not same:
            print(f"  Keystone: {there}\n  here:     {here}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
