package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Numbers of devices (Documentation/admin-guide/devices.txt), and a request that golang.org/x/sys has no function for.
const (
	loopMajor    = 7
	control      = "/dev/loop-control"
	controlMajor = 10
	controlMinor = 237
)

// attach gives the file a loop device that the kernel takes away again when nobody uses it any more, in whatever way its
// users end.
func attach(file string) (device *os.File, err error) {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for {
		device, err := freeDevice()
		if err != nil {
			return nil, err
		}
		config := unix.LoopConfig{Fd: uint32(f.Fd())}
		config.Info.Flags = unix.LO_FLAGS_AUTOCLEAR
		copy(config.Info.File_name[:len(config.Info.File_name)-1], file)
		err = unix.IoctlLoopConfigure(int(device.Fd()), &config)
		if err == nil {
			return device, nil
		}
		_ = device.Close()
		// Somebody else on this machine was faster: the next free one.
		if !errors.Is(err, unix.EBUSY) {
			return nil, fmt.Errorf("configure %s: %w", device.Name(), err)
		}
	}
}

// freeDevice opens a loop device that nobody uses, one that the kernel makes where there is none.
func freeDevice() (*os.File, error) {
	c, err := openDevice(control, unix.S_IFCHR, unix.Mkdev(controlMajor, controlMinor))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	number, err := unix.IoctlRetInt(int(c.Fd()), unix.LOOP_CTL_GET_FREE)
	if err != nil {
		return nil, fmt.Errorf("find a free loop device: %w", err)
	}
	return openLoop(uint32(number))
}

// setCapacity tells the loop device that the folder is mounted from how big its file is now.
func setCapacity(mount string) error {
	var s unix.Stat_t
	if err := unix.Stat(mount, &s); err != nil {
		return err
	}
	if unix.Major(s.Dev) != loopMajor {
		return fmt.Errorf("it is on device %d:%d, which is no loop device", unix.Major(s.Dev), unix.Minor(s.Dev))
	}
	device, err := openLoop(unix.Minor(s.Dev))
	if err != nil {
		return err
	}
	defer device.Close()
	return unix.IoctlSetInt(int(device.Fd()), unix.LOOP_SET_CAPACITY, 0)
}

func openLoop(number uint32) (*os.File, error) {
	return openDevice(fmt.Sprintf("/dev/loop%d", number), unix.S_IFBLK, unix.Mkdev(loopMajor, number))
}

// openDevice opens a device, of which a container has no file where it came into being after the container.
func openDevice(path string, kind uint32, device uint64) (*os.File, error) {
	if err := unix.Mknod(path, kind|0o600, int(device)); err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, fmt.Errorf("make %s: %w", path, err)
	}
	return os.OpenFile(path, os.O_RDWR, 0)
}
