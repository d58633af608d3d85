"""Requests that boto3 signs, checked as services check them: by `/v3/ec2tokens` and `/v3/s3tokens`.

usage: aws.py URL CA PASSWORD

Nothing is sent to AWS's endpoints: each request is caught after boto3 has signed it, and is handed to identity in the form in which
Nova's and Swift's middleware hand it on. Ends with a traceback where something is not as it should be.
"""

import base64
import hashlib
import sys
import urllib.parse

import boto3
import urllib3
from botocore.awsrequest import AWSResponse
from botocore.config import Config

URL, CA, PASSWORD = sys.argv[1:4]
EC2, S3 = "http://ec2.cloud.test:8788/services/Cloud", "http://s3.cloud.test:8080"
POOL = urllib3.PoolManager(ca_certs=CA)


def call(method, path, token=None, **body):
    headers = {"X-Auth-Token": token} if token else {}
    return POOL.request(method, URL + path, headers=headers, json=body or None)


def log_in(name, password, project):
    user = {"name": name, "domain": {"id": "default"}, "password": password}
    scope = {"project": {"name": project, "domain": {"id": "default"}}}
    identity = {"methods": ["password"], "password": {"user": user}}
    answer = call("POST", "/auth/tokens", auth={"identity": identity, "scope": scope})
    assert answer.status == 201, answer.data
    return answer.headers["X-Subject-Token"]


def furnish(admin):
    """A member of a project, and the key that she makes herself."""
    role = call("GET", "/roles?name=member", admin).json()["roles"][0]["id"]
    project = call("POST", "/projects", admin, project={"name": "works"}).json()["project"]["id"]
    user = call("POST", "/users", admin, user={"name": "erika", "password": "a long one"}).json()["user"]["id"]
    assert call("PUT", f"/projects/{project}/users/{user}/roles/{role}", admin).status == 204
    token = log_in("erika", "a long one", "works")
    key = call("POST", f"/users/{user}/credentials/OS-EC2", token, tenant_id=project)
    assert key.status == 201, key.data
    return user, project, key.json()["credential"]


def client(service, endpoint, key, version):
    return boto3.client(
        service, endpoint_url=endpoint, region_name="RegionOne", aws_access_key_id=key["access"],
        aws_secret_access_key=key["secret"],
        config=Config(
            signature_version=version, retries={"total_max_attempts": 1}, s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
        ),
    )


def caught(service, operation, **arguments):
    """The signed request of a call that never leaves."""
    requests_seen = []

    def catch(request, **_):
        requests_seen.append(request)
        return AWSResponse(request.url, 418, {}, None)

    service.meta.events.register("before-send", catch)
    try:
        getattr(service, operation)(**arguments)
    except Exception:  # noqa: BLE001  (whatever boto3 makes of the teapot)
        assert requests_seen
    return requests_seen[0]


class Seen:
    """A request as a server sees it."""

    def __init__(self, method, url, headers, body):
        self.method, self.url = method, urllib.parse.urlsplit(url)
        text = {name: value.decode() if isinstance(value, bytes) else value for name, value in headers.items()}
        self.headers = {"Host": self.url.netloc, **text}
        self.body = body.encode() if isinstance(body, str) else (body or b"")
        self.lower = {name.lower(): value for name, value in self.headers.items()}
        self.query = dict(urllib.parse.parse_qsl(self.url.query, keep_blank_values=True))

    def authorization(self):
        """Credential, signed headers and signature of version 4."""
        if "X-Amz-Signature" in self.query:
            return tuple(self.query["X-Amz-" + name] for name in ("Credential", "SignedHeaders", "Signature"))
        parts = self.lower["authorization"].removeprefix("AWS4-HMAC-SHA256 ").split(",")
        parts = dict(part.strip().split("=", 1) for part in parts)
        return parts["Credential"], parts["SignedHeaders"], parts["Signature"]


def for_ec2(seen):
    """What Nova's middleware makes of a request."""
    params = dict(urllib.parse.parse_qsl(seen.body.decode(), keep_blank_values=True)) | seen.query
    if "Signature" in params:
        access, signature = params["AWSAccessKeyId"], params.pop("Signature")
    else:
        credential, _, signature = seen.authorization()
        access = credential.split("/")[0]
    return {
        "access": access, "signature": signature, "host": seen.url.netloc, "verb": seen.method, "path": seen.url.path,
        "params": params, "headers": seen.headers, "body_hash": hashlib.sha256(seen.body).hexdigest(),
    }


def for_s3_version_4(seen):
    """What Swift's middleware makes of a request: the text that was signed."""
    credential, names, signature = seen.authorization()
    access, scope = credential.split("/", 1)
    quoted = lambda text: urllib.parse.quote(text, safe="-_.~")
    pairs = sorted((quoted(name), quoted(value)) for name, value in seen.query.items() if name != "X-Amz-Signature")
    canonical = "\n".join(
        [
            seen.method, seen.url.path, "&".join("=".join(pair) for pair in pairs),
            *(f"{name}:{seen.lower[name].strip()}" for name in names.split(";")), "", names,
            seen.lower.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ]
    )
    date = seen.lower.get("x-amz-date") or seen.query["X-Amz-Date"]
    text = "\n".join(["AWS4-HMAC-SHA256", date, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    return {"access": access, "signature": signature, "token": base64.urlsafe_b64encode(text.encode()).decode()}


def for_s3_version_2(seen):
    access, signature = seen.lower["authorization"].removeprefix("AWS ").split(":")
    amazon = sorted(f"{name}:{value}" for name, value in seen.lower.items() if name.startswith("x-amz-"))
    text = "\n".join(
        [
            seen.method, seen.lower.get("content-md5", ""), seen.lower.get("content-type", ""),
            "" if "x-amz-date" in seen.lower else seen.lower["date"], *amazon, seen.url.path,
        ]
    )
    return {"access": access, "signature": signature, "token": base64.urlsafe_b64encode(text.encode()).decode()}


def sent(service, operation, **arguments):
    request = caught(service, operation, **arguments)
    return Seen(request.method, request.url, request.headers, request.body)


def presigned(service):
    url = service.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "a key/ü+%"}, ExpiresIn=60)
    return Seen("GET", url, {}, b"")


def signed_requests(key):
    """Requests of each version, as identity is asked about them."""
    ec2 = client("ec2", EC2, key, "v4")
    yield "/ec2tokens", for_ec2(sent(ec2, "describe_instances", Filters=[{"Name": "tag:a b", "Values": ["ü&=+"]}]))
    ec2 = client("ec2", EC2, key, "v2")
    yield "/ec2tokens", for_ec2(sent(ec2, "describe_volumes", VolumeIds=["vol-1", "vol-2"]))
    s3 = client("s3", S3, key, "s3v4")
    yield "/s3tokens", for_s3_version_4(sent(s3, "put_object", Bucket="b", Key="a key", Body=b"x" * 100))
    yield "/s3tokens", for_s3_version_4(sent(s3, "list_objects_v2", Bucket="b", Prefix="ü/+ ", Delimiter="/"))
    yield "/s3tokens", for_s3_version_4(presigned(s3))
    s3 = client("s3", S3, key, "s3")
    yield "/s3tokens", for_s3_version_2(sent(s3, "get_object", Bucket="b", Key="k"))


def main():
    admin = log_in("admin", PASSWORD, "admin")
    user, project, key = furnish(admin)
    count = 0
    for path, signed in signed_requests(key):
        answer = call("POST", path, admin, credentials=signed)
        assert answer.status == 200, (path, signed, answer.data)
        token = answer.json()["token"]
        assert (token["user"]["id"], token["project"]["id"]) == (user, project), token
        assert {role["name"] for role in token["roles"]} == {"member", "reader"}, token["roles"]
        assert ("X-Subject-Token" in answer.headers) == (path == "/ec2tokens")
        # A service asks, nobody else; what was touched on its way is refused, and a key that is none not found, as Keystone has it.
        assert call("POST", path, credentials=signed).status == 401
        own = log_in("erika", "a long one", "works")
        assert call("POST", path, own, credentials=signed).status == 403
        other = {"token": base64.urlsafe_b64encode(b"AWS4-HMAC-SHA256").decode()} if "token" in signed else {"verb": "PUT"}
        for change in (other, {"signature": signed["signature"][::-1]}):
            assert call("POST", path, admin, credentials=signed | change).status == 401, (path, change)
        assert call("POST", path, admin, credentials=signed | {"access": "0" * 32}).status == 404, path
        count += 1
    for path, signed in signed_requests(key | {"secret": "another"}):
        assert call("POST", path, admin, credentials=signed).status == 401, path
    last = list(signed_requests(key))
    assert call("DELETE", f"/users/{user}/credentials/OS-EC2/{key['access']}", admin).status == 204
    for path, signed in last:
        assert call("POST", path, admin, credentials=signed).status == 404, path
    print(f"{count} signed requests")


main()
