"""The commands of `restore-drill`, one file each, named as they are typed."""
