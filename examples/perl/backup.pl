#!/usr/bin/perl
# Run a copy inside a backup, and write its label into a directory.
#
#   backup.pl LABEL DIRECTORY COMMAND [ARGUMENT ...]
#
# PGHOST, PGDATABASE, PGUSER and their like name the control database.
use strict;
use warnings;
use DBI;

my ($label, $directory, @command) = @ARGV;
die "usage: backup.pl LABEL DIRECTORY COMMAND ...\n" unless @command;

# The procedures commit while they wait: they need AutoCommit, which is DBI's default.
my $db = DBI->connect('dbi:Pg:', undef, undef,
    { AutoCommit => 1, RaiseError => 1, PrintError => 0, pg_enable_utf8 => 0 });

my ($id, $start_lsn) = $db->selectrow_array('CALL holdfast.start_backup(?, fast => true)', undef, $label);
print "backup $id is running from $start_lsn\n";

# GNU tar says 1 when a file changed as it was read, which recovery mends.
my $status = system { $command[0] } @command;
if ($status & 127 || $status >> 8 > 1) {
    $db->do('CALL holdfast.cancel_backup(?)', undef, $id);
    die "the copy failed: the backup is cancelled\n";
}

(undef, my $backup_label, my $tablespace_map) =
    $db->selectrow_array('CALL holdfast.stop_backup(id => ?)', undef, $id);
write_file('backup_label', $backup_label);
write_file('tablespace_map', $tablespace_map) if defined $tablespace_map;
print "backup $id is complete\n";

sub write_file {
    my ($name, $content) = @_;
    open my $file, '>:raw', "$directory/$name" or die "$directory/$name: $!\n";
    print {$file} $content;
    close $file or die "$directory/$name: $!\n";
}
