"""Accounts and grants."""

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models

from healthbrain.county.models import Organisation


class AccountManager(BaseUserManager["Account"]):
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
