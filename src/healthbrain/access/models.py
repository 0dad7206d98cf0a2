"""Accounts and grants."""

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models

from healthbrain.county.models import Organisation


class AccountManager(BaseUserManager["Account"]):
    """An account comes with its organisation: every request needs its path, which is the scope."""

    def get_queryset(self) -> models.QuerySet["Account"]:
        return super().get_queryset().select_related("organisation")

    def get_by_natural_key(self, username: str | None) -> "Account":
        return self.get(username=username)


class Account(AbstractBaseUser):
    """One person, one role, one organisation. Nobody shares an account; there are no default passwords."""

    username = models.TextField(unique=True)
    name = models.TextField()
    role = models.TextField()  # a key of access.roles.ROLES
    organisation = models.ForeignKey(Organisation, models.PROTECT)
    resident_id = models.BigIntegerField(null=True)  # for the role "resident": whose record is his own
    is_active = models.BooleanField(default=True)
    totp_secret = models.TextField(default="")
    totp_confirmed = models.BooleanField(default=False)
    totp_last_step = models.BigIntegerField(default=0)  # a code works once
    failed_logins = models.SmallIntegerField(default=0)
    locked_until = models.DateTimeField(null=True)
    created = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "username"
    objects = AccountManager()

    def __str__(self) -> str:
        return self.name


class SignInLink(models.Model):
    """A one-time sign-in link; only its hash is kept."""

    account = models.ForeignKey(Account, models.CASCADE)
    token_hash = models.BinaryField(unique=True)
    expires = models.DateTimeField()
    used = models.DateTimeField(null=True)


class ApiToken(models.Model):
    """A token for a system that talks FHIR to us; only its hash is kept."""

    account = models.ForeignKey(Account, models.CASCADE)
    source = models.ForeignKey("county.Source", models.PROTECT)
    token_hash = models.BinaryField(unique=True)
    created = models.DateTimeField(auto_now_add=True)
    revoked = models.DateTimeField(null=True)


class BreakGlass(models.Model):
    """An emergency opening of one resident's record outside the account's scope."""

    account = models.ForeignKey(Account, models.PROTECT)
    resident_id = models.BigIntegerField()
    reason = models.TextField()
    at = models.DateTimeField(auto_now_add=True)
    expires = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["account", "resident_id", "-expires"])]


class Proxy(models.Model):
    """One resident (the agent) may act for another (the principal). Residents are named by id: they live a room up.

    Never changed but to end it; what it allowed when can always be told.
    """

    class Basis(models.TextChoices):
        CONSENT = "consent", "本人授权"
        PAPER = "paper", "书面委托"
        MINOR = "minor", "未成年人监护"
        INCAPABLE = "incapable", "成年人监护"

    principal_id = models.BigIntegerField()
    principal_name = models.TextField()  # both names in words, as of then
    agent_id = models.BigIntegerField()
    agent_name = models.TextField()
    basis = models.TextField(choices=Basis.choices)
    relation = models.TextField()  # the agent is the principal's …: knowledge/proxies/rules.yaml
    scopes = ArrayField(models.TextField())  # keys of access.roles.SCOPES
    evidence = models.TextField(default="")  # kind of document, by the same file; "" for consent given here
    evidence_text = models.TextField(default="")  # its number and who issued it
    document = models.TextField(default="")  # a photo or PDF of it: name in the vault (`residents.proxies`)
    starts = models.DateField()
    ends = models.DateField()  # last day
    granted_by = models.BigIntegerField()  # account
    granted_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.TextField(default="")
    reason = models.TextField(default="")  # why it was ended

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["principal_id", "agent_id"],
                condition=models.Q(revoked_at__isnull=True),
                name="one_open_proxy_a_pair",
            ),
            models.CheckConstraint(condition=models.Q(ends__gte=models.F("starts")), name="proxy_order"),
            models.CheckConstraint(condition=~models.Q(principal_id=models.F("agent_id")), name="proxy_of_another"),
        ]
        indexes = [models.Index(fields=["agent_id"], name="proxy_of_agent")]
