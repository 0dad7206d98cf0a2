"""Django settings. One installation, one county; what differs by county is knowledge, not settings."""

from __future__ import annotations

import os
from pathlib import Path

from healthbrain.kernel.home import folder, old_keys, secret_key
from healthbrain.kernel.postgres import database_url, django_database

PACKAGE = Path(__file__).parent
SECRET_KEY = secret_key()
SECRET_KEY_FALLBACKS = list(old_keys())  # a changed key signs nobody out
DEBUG = False
ALLOWED_HOSTS = os.environ.get("HEALTHBRAIN_HOSTS", "127.0.0.1,localhost,testserver").split(",")
CSRF_TRUSTED_ORIGINS = [o for o in os.environ.get("HEALTHBRAIN_ORIGINS", "").split(",") if o]

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "procrastinate.contrib.django",
    "healthbrain.audit",
    "healthbrain.county",
    "healthbrain.access",
    "healthbrain.notices",
    "healthbrain.residents",
    "healthbrain.records",
    "healthbrain.facts",
    "healthbrain.care",
    "healthbrain.surveillance",
    "healthbrain.dispatch",
    "healthbrain.desks",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "healthbrain.desks.compressed.CompressedPages",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "healthbrain.access.middleware.GateMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
]

ROOT_URLCONF = "healthbrain.urls"
CSRF_FAILURE_VIEW = "healthbrain.desks.errors.stale_form"
WSGI_APPLICATION = "healthbrain.wsgi.application"
DATABASES = {"default": django_database(database_url())}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "access.Account"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.ScryptPasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "DIRS": [PACKAGE / "desks" / "templates"],
        "OPTIONS": {"environment": "healthbrain.desks.jinja.environment"},
    }
]

LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", "中文"), ("en", "English")]
LOCALE_PATHS = [PACKAGE / "desks" / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "Asia/Shanghai"

STATIC_URL = "/static/"
STATIC_ROOT = folder("static")
STATICFILES_DIRS = [PACKAGE / "desks" / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
WHITENOISE_IMMUTABLE_FILE_TEST = "^/static/"  # addresses carry a mark of the content (desks.jinja.asset)

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = os.environ.get("HEALTHBRAIN_HTTPS") == "1"
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
SECURE_CSP = {
    "default-src": ["'self'"],
    "img-src": ["'self'", "data:"],
    "style-src": ["'self'"],
    "script-src": ["'self'"],
    "connect-src": ["'self'", "http://127.0.0.1:*", "http://localhost:*"],
    "frame-ancestors": ["'none'"],
    "form-action": ["'self'"],
    "base-uri": ["'none'"],
    "object-src": ["'none'"],
}
FORM_RENDERER = "django.forms.renderers.Jinja2"
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024 * 1024
IDLE_LOGOUT_SECONDS = int(os.environ.get("HEALTHBRAIN_IDLE_SECONDS", "1800"))
WATCH_LOGOUT_SECONDS = int(os.environ.get("HEALTHBRAIN_WATCH_SECONDS", "43200"))  # roles on watch: one shift
# The county's SMS gateway in its operator's form: {phone}, {text} and {key} are filled in; with a body POST, else GET;
# taken: what its answer to a message it takes contains. The key stays in the environment.
SMS_GATEWAY = {
    "url": os.environ.get("HEALTHBRAIN_SMS_URL", ""),
    "body": os.environ.get("HEALTHBRAIN_SMS_BODY", ""),
    "taken": os.environ.get("HEALTHBRAIN_SMS_TAKEN", ""),
    "key": os.environ.get("HEALTHBRAIN_SMS_KEY", ""),
}
SILENCED_SYSTEM_CHECKS: list[str] = []
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": os.environ.get("HEALTHBRAIN_LOG", "WARNING")},
}
