"""Crash bundles: the values of one step in a folder, to replay it later."""

from jaxdebug.training.bundle.keep import new_bundle as new_bundle
from jaxdebug.training.bundle.leaf import KeyBits as KeyBits
from jaxdebug.training.bundle.read import Bundle as Bundle
from jaxdebug.training.bundle.read import read_bundle as read_bundle
from jaxdebug.training.bundle.write import write_bundle as write_bundle
