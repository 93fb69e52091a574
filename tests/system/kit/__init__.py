# SPDX-License-Identifier: GPL-2.0-or-later
"""What the system tests are made of: real servers, real clients, ringmain, and conditions to wait for."""
